/** Finding sessions: lists by page, filters and orders, counts, and every summary. */
import { expect, test } from "vitest";
import type { Session, SessionSummary } from "../../../src/session/session.ts";
import { parseSessionId as id } from "../../../src/session/session-id.ts";
import type { ListQuery, SessionStore } from "../../../src/store/session-store.ts";
import { config, document, type OpenStore, openFor } from "./opened-store.ts";

const hourMs = 3_600_000;

function hoursAgo(hours: number): string {
  return new Date(Date.now() - hours * hourMs).toISOString();
}

/** Six sessions: of all statuses, with labels, pins and times of their own. */
async function fill(store: SessionStore): Promise<void> {
  const team = (name: string) => ({ labels: { team: name } });
  const sessions: [string, Partial<Session>][] = [
    ["a", { ...team("x"), checkpoint_time: hoursAgo(5) }],
    ["b", { ...team("y"), checkpoint_time: hoursAgo(4), status: "paused", pinned: true }],
    ["C", { ...team("x"), checkpoint_time: hoursAgo(3), status: "completed" }],
    ["d", { checkpoint_time: hoursAgo(2), status: "failed", status_reason: "no ROOM left" }],
    ["é", { checkpoint_time: hoursAgo(2.5), config: { target_path: "/deep/Room" } }],
    ["__proto__", { checkpoint_time: hoursAgo(1), labels: { __proto__: "own" } as never }],
  ];
  for (const [at, [name, changes]] of sessions.entries())
    await store.save(document(name, { created_time: hoursAgo(10 + at), ...changes }));
}

const names = (sessions: readonly SessionSummary[]) => sessions.map(({ session_id }) => session_id);

export function listTests(open: OpenStore): void {
  test.each<[ListQuery, string[]]>([
    [{}, ["__proto__", "d", "é", "C", "b", "a"]],
    [{ sort: "created_time" }, ["a", "b", "C", "d", "é", "__proto__"]],
    [{ sort: "session_id" }, ["C", "__proto__", "a", "b", "d", "é"]],
    [{ status: ["paused", "failed"] }, ["d", "b"]],
    [{ label: [["team", "x"]] }, ["C", "a"]],
    [
      {
        label: [
          ["team", "x"],
          ["team", "y"],
        ],
      },
      [],
    ],
    [{ label: [["toString", "x"]] }, []],
    [{ q: "room" }, ["d", "é"]],
    [{ q: "É" }, ["é"]],
    [{ q: "elsewhere", status: ["running"] }, ["__proto__", "a"]],
    [{ older_than: 3.5 * hourMs }, ["b", "a"]],
    [{ pinned: true }, ["b"]],
    [{ pinned: false, label: [["team", "x"]], sort: "session_id" }, ["C", "a"]],
  ])("are found by %j", async (query, expected) => {
    const { store } = await openFor(open);
    await fill(store);
    const page = await store.list(query);
    expect(names(page.sessions)).toEqual(expected);
    expect(page).toMatchObject({ next_cursor: null, total: expected.length });
    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const next = await store.list({ ...query, limit: 1, cursor });
      expect(next.total).toBe(expected.length);
      paged.push(...names(next.sessions));
      cursor = next.next_cursor ?? undefined;
    } while (cursor !== undefined);
    expect(paged).toEqual(expected);
  });

  test("a page goes on where the one before ended, whatever happened meanwhile", async () => {
    const { store } = await openFor(open);
    for (const name of ["a", "c", "e", "g"]) await store.create({ session_id: name, config });
    const first = await store.list({ sort: "session_id", limit: 2 });
    await store.create({ session_id: "b", config });
    await store.create({ session_id: "d", config });
    await store.remove(id("c"), { reason: "test" });
    await store.remove(id("e"), { reason: "test" });
    const second = await store.list({ sort: "session_id", cursor: first.next_cursor as string });
    expect(names(second.sessions)).toEqual(["d", "g"]);
  });

  test.each(["x", "", "bm90IG91cnM"])("a cursor that no page gave out is refused: %j", async (cursor) => {
    const { store } = await openFor(open);
    await store.create({ session_id: "s", config });
    await expect(store.list({ cursor })).rejects.toMatchObject({
      code: "invalid_request",
      issues: [{ path: "cursor" }],
    });
  });

  test("a cursor of another order is refused", async () => {
    const { store } = await openFor(open);
    await fill(store);
    const { next_cursor } = await store.list({ sort: "session_id", limit: 1 });
    await expect(store.list({ cursor: next_cursor as string })).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  test("counts follow every change", async () => {
    const { store } = await openFor(open);
    expect(await store.stats()).toEqual({ total: 0, running: 0, paused: 0, completed: 0, failed: 0 });
    await fill(store);
    expect(await store.stats()).toEqual({ total: 6, running: 3, paused: 1, completed: 1, failed: 1 });
    await store.apply(id("b"), { type: "transition", verb: "complete" });
    await store.report(id("a"), { processed: ["a"] });
    await store.remove(id("d"), { reason: "test" });
    expect(await store.stats()).toEqual({ total: 5, running: 3, paused: 0, completed: 2, failed: 0 });
    await store.restoreTrash(id("d"));
    expect(await store.stats()).toMatchObject({ total: 6, failed: 1 });
  });

  test("every summary comes once, also while others come and go", async () => {
    const { store } = await openFor(open);
    await Promise.all(Array.from({ length: 60 }, (_, n) => store.create({ session_id: `s${n}`, config })));
    await store.report(id("s7"), { processed: ["a"] });
    const found: SessionSummary[] = [];
    for await (const slice of store.summaries()) {
      if (found.length === 0) {
        await store.create({ session_id: "new", config });
        await store.remove(id("s59"), { reason: "test" });
      }
      found.push(...slice);
    }
    const stayed = new Set(Array.from({ length: 59 }, (_, n) => `s${n}`));
    expect(names(found).filter((name) => stayed.has(name))).toHaveLength(59);
    expect(new Set(names(found)).size).toBe(found.length);
    expect(found.find(({ session_id }) => session_id === "s7")).toMatchObject({ processed_count: 1 });
  });
}
