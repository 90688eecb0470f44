/** One id whose session is deleted on one host, and created on another one at the same time. */
import { describe, expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { withoutPostgres } from "../../support/postgres/database.ts";
import { codeOf } from "../suite/opened-store.ts";
import { startFleet } from "./fleet.ts";

const id = parseSessionId("s");
const config = { target_path: "/src" };

describe.skipIf(withoutPostgres())("a session that is created anew", () => {
  for (const purge of [true, false])
    test(`has a revision of its own, ${purge ? "purged" : "removed"} at the same time`, async () => {
      const { hosts } = await startFleet();
      const [a, b] = await hosts(2);
      if (a === undefined || b === undefined) throw new Error("no hosts");
      let last = 0;
      let created = 0;
      for (let round = 0; round < 30; round++) {
        if ((await codeOf(a.store.create({ session_id: id, config }))) === "ok") created++;
        const report = await a.store.report(id, { added: [`${round}`] });
        expect(report.revision).toBeGreaterThan(last);
        last = report.revision;
        const anew = b.store.create({ session_id: id, config });
        const [code] = await Promise.all([codeOf(anew), a.store.remove(id, { purge, reason: "test" })]);
        if (code !== "ok") continue;
        const { summary } = await anew;
        expect(summary.revision).toBeGreaterThan(last);
        last = summary.revision;
      }
      expect(created).toBeGreaterThan(0);
    });
});
