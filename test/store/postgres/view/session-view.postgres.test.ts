import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type SessionSummary, type Status, statuses, summarize } from "../../../../src/session/session.ts";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import { fromText } from "../../../../src/store/postgres/schema/names.ts";
import { walkStatement } from "../../../../src/store/postgres/view/list-statement.ts";
import { SessionIndex } from "../../../../src/store/session-index.ts";
import type { ListQuery } from "../../../../src/store/session-store.ts";
import { formatTimestamp } from "../../../../src/time/clock.ts";
import { session, timestamp } from "../../../support/arbitraries.ts";
import { withoutPostgres } from "../../../support/postgres/database.ts";
import { runs } from "../../../support/runs.ts";
import { openedView, removeRow, writeRow } from "./opened-view.ts";

const now = Date.parse("2026-06-01T00:00:00Z") * 1000;
const hourMs = 3_600_000;

/** A time near now, so that sessions share minutes and times; sometimes any. */
const near = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.integer({ min: -20, max: 3 }).map((n) => formatTimestamp(now + n * 20_000_000)),
  },
  { weight: 1, arbitrary: timestamp },
);
const label = fc.record({ team: fc.constantFrom("x", "y") }, { requiredKeys: [] });
const text = fc.constantFrom(
  "/src/Room",
  "100%",
  "a_b",
  "a\\b",
  "ſtraße",
  "İ",
  "\0x",
  "x\ny",
  "\uE000\uE001",
);

const summary: fc.Arbitrary<SessionSummary> = fc
  .record({
    any: session,
    checkpoint_time: near,
    created_time: fc.option(near, { nil: undefined }),
    labels: fc.oneof({ weight: 3, arbitrary: label }, { weight: 1, arbitrary: fc.constant(undefined) }),
    target_path: fc.option(text, { nil: undefined }),
    status_reason: fc.option(text),
  })
  // Beyond U+FFFF the two orders of ids differ.
  .filter(({ any }) => !/[\ud800-\udfff]/.test(any.session_id))
  .map(({ any, target_path, labels, created_time, ...changes }) => {
    const config = target_path === undefined ? any.config : { ...any.config, target_path };
    const named = labels === undefined ? any : { ...any, labels };
    const { created_time: _, ...rest } = named;
    const created = created_time === undefined ? {} : { created_time };
    return summarize({ ...rest, ...created, config, ...changes }, 3, 100);
  });

const q = fc.oneof(
  fc.constantFrom("", "room", "ROOM", "0%", "_", "a\\", "ß", "i̇", "\0", "\n", "\uE000", "\uE001", "/", "e"),
  text,
);
const query: fc.Arbitrary<ListQuery> = fc.record(
  {
    status: fc.uniqueArray(fc.constantFrom(...statuses), { minLength: 1, maxLength: 3 }),
    label: fc.array(fc.tuple(fc.constantFrom("team", "__proto__"), fc.constantFrom("x", "y")), {
      maxLength: 2,
    }),
    q,
    older_than: fc.integer({ min: 0, max: 200 }).map((n) => n * 1000),
    pinned: fc.boolean(),
    sort: fc.constantFrom("checkpoint_time", "created_time", "session_id"),
    limit: fc.integer({ min: 1, max: 7 }),
  },
  { requiredKeys: [] },
);

describe.skipIf(withoutPostgres())("the view of PostgreSQL", () => {
  test("lists, counts and summaries are those of the index, page by page", async () => {
    const { database, view } = await openedView(now);
    const sessions = fc.uniqueArray(summary, {
      minLength: 5,
      maxLength: 25,
      selector: (one) => one.session_id,
    });
    await fc.assert(
      fc.asyncProperty(sessions, fc.array(query, { minLength: 10, maxLength: 10 }), async (all, queries) => {
        const index = new SessionIndex();
        for (const one of all) index.set(one);
        const gone = all[0] as SessionSummary;
        await database.transaction(async (tx) => {
          await tx.query("delete from sessiond.sessions");
          for (const one of all) await writeRow(tx, one);
          await removeRow(tx, gone.session_id, "gone");
        });
        index.delete(gone.session_id, { cause: "removed", restorable: true });
        expect(await view.stats()).toEqual(index.stats());
        for (const one of queries) {
          let cursor: string | undefined;
          do {
            const page = await view.list({ ...one, cursor });
            expect(page).toEqual(await index.list({ ...one, cursor }, now));
            // The way that is taken if very many match.
            const listing = { sort: "checkpoint_time" as const, limit: 100, ...one, cursor, now };
            const { text, values } = walkStatement(listing);
            const rows = await database.query<{ id: string | null }>(text, values);
            const walked = rows.flatMap((row) => (row.id === null ? [] : [fromText(row.id)]));
            expect(walked.slice(0, listing.limit)).toEqual(page.sessions.map(({ session_id }) => session_id));
            expect(walked.length > listing.limit).toBe(page.next_cursor !== null);
            cursor = page.next_cursor ?? undefined;
          } while (cursor !== undefined);
        }
      }),
      runs(30, 500),
    );
  });

  test("a summary, or why there is none", async () => {
    const { database, view } = await openedView(now);
    const one = plain("a\\b");
    await writeRow(database, one);
    expect(await view.summary(id("a\\b"))).toEqual(one);
    expect(await view.has(id("a\\b"))).toBe(true);
    await expect(view.summary(id("other"))).rejects.toMatchObject({ code: "session_not_found" });
    await removeRow(database, "a\\b", "t-1");
    await expect(view.summary(id("a\\b"))).rejects.toMatchObject({ code: "session_deleted" });
    expect(await view.has(id("a\\b"))).toBe(false);
    await writeRow(database, { ...one, revision: 9 });
    expect(await view.summary(id("a\\b"))).toMatchObject({ revision: 9 });
  });

  test("ids are in the order of their code points", async () => {
    const { database, view } = await openedView(now);
    for (const name of ["😀", "\uFF41", "é", "a", "B"]) await writeRow(database, plain(name));
    const { sessions } = await view.list({ sort: "session_id" });
    expect(sessions.map(({ session_id }) => session_id)).toEqual(["B", "a", "é", "\uFF41", "😀"]);
  });

  test("what matches is counted up to 10,000; of a status, and of all, however many there are", async () => {
    const { database, view } = await openedView(now);
    await database.query(`insert into sessiond.sessions (seq, base_seq, frame_seq, revision, status,
        checkpoint_us, active_min, created_us, id, frame, facts, pinned, labels, search, processed, pending, bytes)
      select 1, 1, 1, 1, case when n <= 10000 then 'paused' else 'failed' end, n, 0, 0, n, '', '{"labels":{}}',
        n <= 10000, array[]::text[], case when n <= 10000 then 'few' else 'more' end, 0, 0, 1
      from generate_series(1, 20001) as n`);
    expect(await view.list({ limit: 1 })).toMatchObject({ total: 20_001 });
    expect(await view.list({ limit: 1, status: ["failed"] })).toMatchObject({ total: 10_001 });
    expect(await view.list({ limit: 1, pinned: true })).toMatchObject({ total: 10_000 });
    expect(await view.list({ limit: 1, pinned: false })).toMatchObject({ total: null });
    expect(await view.list({ limit: 1, q: "few" })).toMatchObject({ total: 10_000 });
    expect(await view.list({ limit: 1, q: "more" })).toMatchObject({ total: null });
    expect(await view.list({ limit: 1, older_than: hourMs })).toMatchObject({ total: null });
  });

  test("every summary comes once while others come, go, and go on", async () => {
    const { database, view } = await openedView(now);
    const name = (n: number) => `s-${n}`;
    await database.transaction(async (tx) => {
      for (let n = 0; n < 2500; n++) await writeRow(tx, plain(name(n)));
    });
    const found: SessionSummary[] = [];
    for await (const slice of view.summaries()) {
      found.push(...slice);
      for (const n of [0, 1700, 2499])
        await writeRow(database, { ...plain(name(n)), checkpoint_time: formatTimestamp(now), revision: 8 });
      await writeRow(database, plain(`new-${found.length}`));
      await removeRow(database, name(2000), "t");
    }
    const names = found.map(({ session_id }) => session_id);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toHaveLength(2499);
    expect(names).not.toContain(name(2000));
    expect(found.find(({ session_id }) => session_id === name(2499))).toMatchObject({ revision: 8 });
  });
});

function plain(session_id: string, status: Status = "running"): SessionSummary {
  return {
    session_id,
    status,
    status_reason: null,
    target_path: "/src",
    checkpoint_time: formatTimestamp(now - hourMs * 1000),
    created_time: null,
    generation: "g",
    revision: 3,
    labels: {},
    pinned: false,
    processed_count: 1,
    pending_count: 2,
    bytes: 10,
  };
}
