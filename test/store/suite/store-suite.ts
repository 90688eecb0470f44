/**
 * What a store is, in the words of SessionStore alone. Every backend passes this suite; a new backend only
 * says how it is opened. What only one backend has, such as files, is stated in its own suites.
 */
import { describe } from "vitest";
import { additionTests } from "./additions.ts";
import { backupTests } from "./backups.ts";
import { changeTests } from "./changes.ts";
import { claimTests } from "./claims.ts";
import { cleanupTests } from "./cleanup.ts";
import { concurrencyTests } from "./concurrency.ts";
import { conditionTests } from "./conditions.ts";
import { exactnessTests } from "./exactness.ts";
import { leaseTests } from "./leases.ts";
import { lifeTests } from "./life.ts";
import { listTests } from "./lists.ts";
import { modelTests } from "./model-test.ts";
import type { OpenStore } from "./opened-store.ts";
import { recordTests } from "./records.ts";
import { reportTests } from "./reports.ts";
import { requeueTests } from "./requeue.ts";
import { restartTests } from "./restarts.ts";
import { sharedLeaseTests } from "./shared-leases.ts";
import { trashTests } from "./trash.ts";

export type { OpenedStore, OpenStore } from "./opened-store.ts";

export function storeSuite(name: string, open: OpenStore): void {
  describe(name, () => {
    describe("a session", () => lifeTests(open));
    describe("reports", () => reportTests(open));
    describe("conditions", () => conditionTests(open));
    describe("lists", () => listTests(open));
    describe("the trash", () => trashTests(open));
    describe("backups and repairs", () => backupTests(open));
    describe("leases", () => leaseTests(open));
    describe("shared leases", () => sharedLeaseTests(open));
    describe("claims", () => claimTests(open));
    describe("requeue", () => requeueTests(open));
    describe("cleanup", () => cleanupTests(open));
    describe("records", () => recordTests(open));
    describe("exactness", () => exactnessTests(open));
    describe("additions", () => additionTests(open));
    describe("changes", () => changeTests(open));
    describe("callers at once", () => concurrencyTests(open));
    describe("restarts", () => restartTests(open));
    describe("the model", () => modelTests(open));
  });
}
