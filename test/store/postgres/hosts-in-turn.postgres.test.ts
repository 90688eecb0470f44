/**
 * Two hosts on one database are one store: whatever is asked, each call goes to the other host than the one
 * before. What a host tells of its own changes is left to other tests.
 */
import { describe } from "vitest";
import { withoutPostgres } from "../../support/postgres/database.ts";
import { backupTests } from "../suite/backups.ts";
import { conditionTests } from "../suite/conditions.ts";
import { requeueTests } from "../suite/requeue.ts";
import { trashTests } from "../suite/trash.ts";
import { openTwo } from "./two-hosts.ts";

describe.skipIf(withoutPostgres())("two hosts in turn", () => {
  const open = openTwo();
  describe("conditions", () => conditionTests(open));
  describe("the trash", () => trashTests(open));
  describe("backups and repairs", () => backupTests(open));
  describe("requeue", () => requeueTests(open));
});
