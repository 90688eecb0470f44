import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type SessionSummary, statuses } from "../../../../src/session/session.ts";
import { candidatesOf } from "../../../../src/store/postgres/view/candidates.ts";
import type { CleanupRule } from "../../../../src/store/session-store.ts";
import { formatTimestamp, parseTimestamp } from "../../../../src/time/clock.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { runs } from "../../../support/runs.ts";
import { openedView, writeRow } from "./opened-view.ts";

const now = Date.parse("2026-06-01T00:00:00Z") * 1000;
const tenSeconds = 10_000_000;

const summary = fc
  .record({
    session_id: fc.integer({ min: 0, max: 99 }).map((n) => `s${n}`),
    status: fc.constantFrom(...statuses),
    age: fc.integer({ min: -2, max: 12 }),
    pinned: fc.boolean(),
  })
  .map(
    ({ age, ...rest }): SessionSummary => ({
      ...rest,
      status_reason: null,
      target_path: "/src",
      checkpoint_time: formatTimestamp(now - age * tenSeconds),
      created_time: null,
      generation: "g",
      revision: 1,
      labels: {},
      processed_count: 0,
      pending_count: 0,
      bytes: 1,
    }),
  );

const rule: fc.Arbitrary<CleanupRule> = fc.record(
  {
    status: fc.constantFrom(...statuses),
    activeUntil: fc.integer({ min: -3, max: 10 }).map((age) => now - age * tenSeconds),
    keepNewest: fc.integer({ min: 0, max: 5 }),
    now: fc.constant(now),
  },
  { requiredKeys: ["now"] },
);

/** What a rule means, by the book. */
function removed(all: SessionSummary[], isLeased: (id: string) => boolean, rule: CleanupRule) {
  const at = (one: SessionSummary) => parseTimestamp(one.checkpoint_time) as number;
  const fitting = all
    .filter((one) => !one.pinned && !isLeased(one.session_id) && at(one) <= rule.now)
    .filter((one) => rule.status === undefined || one.status === rule.status)
    .filter((one) => rule.activeUntil === undefined || at(one) <= rule.activeUntil)
    .sort((a, b) => at(b) - at(a) || (a.session_id < b.session_id ? -1 : 1));
  return { kept: fitting.slice(0, rule.keepNewest ?? 0), beyond: fitting.slice(rule.keepNewest ?? 0) };
}

describe.skipIf(withoutPostgres())("candidates for cleanup", () => {
  test("of a large store are the sessions that the rule removes", async () => {
    const { database } = await openedView(now);
    const sessions = fc.uniqueArray(summary, {
      minLength: 1,
      maxLength: 30,
      selector: (one) => one.session_id,
    });
    await fc.assert(
      fc.asyncProperty(sessions, fc.array(rule, { minLength: 5, maxLength: 5 }), async (all, rules) => {
        const isLeased = (id: string) => id.endsWith("7");
        await database.transaction(async (tx) => {
          await tx.query("delete from sessiond.sessions");
          await tx.query("delete from sessiond.leases");
          for (const one of all) await writeRow(tx, one);
          await tx.query(`insert into sessiond.leases (epoch, sid, lease_id, session_id, shared, host_id, since_us)
            select sid, sid, 1, id, false, 'h', 1 from sessiond.sessions where id like '%7'`);
        });
        for (const one of rules) {
          const { sessions, leftOut, newestLeftOut } = await candidatesOf(database, one);
          const { kept, beyond } = removed(all, isLeased, one);
          expect((await collect(sessions)).sort(byId)).toEqual(beyond.sort(byId));
          expect(leftOut).toBe(all.length - beyond.length);
          expect(newestLeftOut).toBe(kept.length);
        }
      }),
      runs(20, 300),
    );
  });

  test("of a small store are all sessions", async () => {
    const { database, view } = await openedView(now);
    const [one] = fc.sample(summary, 1) as [SessionSummary];
    await writeRow(database, { ...one, pinned: true });
    const { sessions, ...left } = await view.candidates({ now });
    expect(await collect(sessions)).toEqual([{ ...one, pinned: true }]);
    expect(left).toEqual({ leftOut: 0, newestLeftOut: 0 });
  });

  test("come in slices, each once, while they are removed", async () => {
    const { database } = await openedView(now);
    await database.query(`insert into sessiond.sessions (seq, base_seq, frame_seq, revision, status,
        checkpoint_us, active_min, created_us, id, frame, facts, pinned, labels, search, processed, pending, bytes)
      select 1, 1, 1, 1, 'completed', n / 3 * 1000000, n / 3 / 60, 0, n, '', '{"labels":{}}', false,
        '{}', '', 0, 0, 1 from generate_series(1, 3500) as n`);
    const { sessions, leftOut } = await candidatesOf(database, { now, keepNewest: 500 });
    expect(leftOut).toBe(500);
    const found: string[] = [];
    for await (const slice of sessions) {
      found.push(...slice.map(({ session_id }) => session_id));
      await database.query("delete from sessiond.sessions where id = any ($1)", [found]);
    }
    expect(found).toHaveLength(3000);
    expect(new Set(found).size).toBe(3000);
  });
});

function byId(a: SessionSummary, b: SessionSummary): number {
  return a.session_id < b.session_id ? -1 : 1;
}

async function collect(slices: AsyncIterable<SessionSummary[]>): Promise<SessionSummary[]> {
  const all: SessionSummary[] = [];
  for await (const slice of slices) all.push(...slice);
  return all;
}
