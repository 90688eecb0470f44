import fc from "fast-check";
import { expect, test } from "vitest";
import { type SessionSummary, summarize } from "../../src/session/session.ts";
import { SessionIndex } from "../../src/store/session-index.ts";
import { formatTimestamp, type Micros } from "../../src/time/clock.ts";
import { processorTime } from "../support/processor-time.ts";
import { runs } from "../support/runs.ts";

const id = fc.integer({ min: 0, max: 30 }).map((number) => `s-${number}`);
const day: Micros = 86_400_000_000;

function summaryOf(session_id: string, checkpoint: number, created: number): SessionSummary {
  const config = { target_path: "/src" };
  const session = {
    session_id,
    status: "running" as const,
    config,
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: formatTimestamp(checkpoint * day),
    created_time: formatTimestamp(created * day),
  };
  return summarize(session as unknown as Parameters<typeof summarize>[0], 1, 100);
}

type Step =
  | { what: "set"; session_id: string; checkpoint: number; created: number }
  | { what: "delete"; session_id: string }
  | { what: "list" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant("set" as const),
      session_id: id,
      checkpoint: fc.nat(5),
      created: fc.nat(5),
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("delete" as const), session_id: id }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant("list" as const) }) },
);
const sorts = ["checkpoint_time", "created_time", "session_id"] as const;

test("pages hold every session once and in order, whatever changes while an order is made", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.constantFrom(...sorts),
      fc.integer({ min: 1, max: 7 }),
      async (steps, sort, limit) => {
        const index = new SessionIndex();
        const model = new Map<string, SessionSummary>();
        const listings: Promise<unknown>[] = [];
        for (const one of steps) {
          if (one.what === "list") listings.push(index.list({ sort, limit }, 0));
          else if (one.what === "delete") {
            if (model.delete(one.session_id))
              index.delete(one.session_id, { cause: "gone", restorable: false });
          } else {
            const summary = summaryOf(one.session_id, one.checkpoint, one.created);
            model.set(one.session_id, summary);
            index.set(summary);
          }
        }
        await Promise.all(listings);
        const expected = [...model.values()].sort(
          (a, b) =>
            (sort === "session_id" ? 0 : Date.parse(b[sort] as string) - Date.parse(a[sort] as string)) ||
            (a.session_id < b.session_id ? -1 : 1),
        );
        for (const pinned of [undefined, false]) {
          const seen: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await index.list(
              { sort, limit, ...(cursor && { cursor }), ...(pinned === false && { pinned }) },
              0,
            );
            expect(page.total).toBe(model.size);
            expect(page.sessions.length).toBeLessThanOrEqual(limit);
            seen.push(...page.sessions.map(({ session_id }) => session_id));
            cursor = page.next_cursor ?? undefined;
          } while (cursor !== undefined);
          expect(seen).toEqual(expected.map(({ session_id }) => session_id));
        }
      },
    ),
    runs(200, 5000),
  );
});

test("an order that is being made follows what changes meanwhile", async () => {
  const index = new SessionIndex();
  const all = Array.from({ length: 20_000 }, (_, number) => summaryOf(`s-${number}`, number % 7, number % 3));
  for (const summary of all) index.set(summary);
  const listing = index.list({ sort: "checkpoint_time", limit: 1000 }, 0);
  index.delete("s-6", { cause: "gone", restorable: false });
  index.set(summaryOf("s-13", 0, 0));
  index.set(summaryOf("new", 9, 9));
  const { sessions, total } = await listing;
  expect(total).toBe(20_000);
  const ids = sessions.map(({ session_id }) => session_id);
  expect(ids[0]).toBe("new");
  expect(ids).not.toContain("s-6");
  expect(ids).not.toContain("s-13");
  expect(new Set(ids).size).toBe(1000);
});

test("a change costs about the same however many sessions are in order", async () => {
  const few = await costOfChanges(3_000);
  const many = await costOfChanges(60_000);
  expect(many / few).toBeLessThan(6);
});

/** Processor time of moving many sessions to other places, in an index that has been listed. */
async function costOfChanges(sessions: number): Promise<number> {
  const index = new SessionIndex();
  for (let number = 0; number < sessions; number++)
    index.set(summaryOf(`s-${number}`, number % 1000, number % 7));
  for (const sort of sorts) await index.list({ sort }, 0);
  const changes = Array.from({ length: 4000 }, (_, at) =>
    summaryOf(`s-${(at * 7919) % sessions}`, at % 977, at % 5),
  );
  return processorTime(async () => {
    for (const summary of changes) index.set(summary);
  });
}
