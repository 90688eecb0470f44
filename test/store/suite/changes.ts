/** What is told of changes: each once, as one step from what was told before to what is true then. */
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { SessionSummary } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { SessionStore, StoreChange } from "../../../src/store/session-store.ts";
import { runs } from "../../support/runs.ts";
import { config, document, type OpenStore, openFor } from "./opened-store.ts";

const id = parseSessionId("s");

function follow(store: SessionStore): StoreChange[] {
  const told: StoreChange[] = [];
  onTestFinished(store.changes.subscribe((change) => void told.push(change)));
  return told;
}

/** Whether each change begins where the one before of that session ended. */
function expectChain(
  told: readonly StoreChange[],
  known: ReadonlyMap<string, SessionSummary> = new Map(),
): void {
  const last = new Map(known);
  for (const { session_id, before, after, gone } of told) {
    expect(before).toEqual(last.get(session_id));
    expect(after === undefined).toBe(gone !== undefined);
    if (after === undefined) last.delete(session_id);
    else last.set(session_id, after);
    if (before === undefined || after === undefined) continue;
    // Its document may take another number of bytes when it is written, which is no change of the session.
    if (after.revision === before.revision) expect({ ...after, bytes: 0 }).toEqual({ ...before, bytes: 0 });
    else expect(after.revision).toBeGreaterThan(before.revision);
  }
}

export function changeTests(open: OpenStore): void {
  test("each change is told once, when it resolves", async () => {
    const { store } = await openFor(open);
    const told = follow(store);
    const { summary: created } = await store.create({ session_id: id, config });
    const steps = [{ session_id: "s", before: undefined, after: created, origin: "change" }] as object[];
    expect(told).toEqual(steps);
    let before = created;
    for (const change of [
      () => store.apply(id, { type: "transition", verb: "pause" }),
      () => store.apply(id, { type: "edit", pinned: true }),
      () => store.save(document("s")),
    ]) {
      const { summary: after } = await change();
      steps.push({ session_id: "s", before, after, origin: "change" });
      expect(told).toEqual(steps);
      before = after;
    }
    const { backup } = await store.backup(id);
    const { session: restored } = await store.restoreBackup(id, backup);
    steps.push({ session_id: "s", before, after: restored, origin: "change" });
    expect(told).toEqual(steps);
  });

  test("what changes nothing is not told, nor what is refused", async () => {
    const { store } = await openFor(open);
    const { summary } = await store.create({ session_id: id, config });
    const told = follow(store);
    await store.apply(id, { type: "set_status", status: "running" });
    await store.apply(id, { type: "transition", verb: "resume" }).catch(() => {});
    const seen = { ...summary, revision: 7 };
    await store.apply(id, { type: "edit", pinned: true }, { ifSeen: seen }).catch(() => {});
    await store.create({ session_id: id, config }).catch(() => {});
    await store.recover(id);
    await store.read(id);
    expect(told).toEqual([]);
  });

  test("of a session that goes is told whether it can come back, and then that it came", async () => {
    const { store } = await openFor(open);
    const { summary } = await store.create({ session_id: id, config });
    const told = follow(store);
    const went = (restorable: boolean) => ({
      ...{ session_id: "s", after: undefined, origin: "change", gone: { cause: "removed", restorable } },
    });
    await store.remove(id, { reason: "test" });
    const restored = await store.restoreTrash(id);
    expect(told).toMatchObject([
      { ...went(true), before: summary },
      { session_id: "s", before: undefined, after: restored, origin: "change" },
    ]);
    told.length = 0;
    await store.remove(id, { reason: "test", purge: true });
    expect(told).toMatchObject([went(false)]);
  });

  const looks: Record<string, (store: SessionStore) => unknown> = {
    read: (store) => store.read(id),
    summary: (store) => store.summary(id),
    list: (store) => store.list(),
    summaries: async (store) => {
      for await (const _ of store.summaries());
    },
    announcement: (store) => store.changes.announceReports(1),
    "change of another kind": (store) => store.apply(id, { type: "edit", pinned: true }),
    removal: (store) => store.remove(id, { reason: "test" }),
  };

  test.each(Object.keys(looks))("reports are told together, by the next %s", async (look) => {
    const { store } = await openFor(open);
    const { summary } = await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const told = follow(store);
    await store.report(id, { processed: ["a"] });
    await store.report(id, { processed: ["b"], added: ["c"] });
    await looks[look]?.(store);
    expect(told[0]).toMatchObject({
      ...{ session_id: "s", before: summary, origin: "report" },
      after: { revision: 3, processed_count: 2, pending_count: 1 },
    });
    expectChain(told, new Map([["s", summary]]));
    const count = told.length;
    while (store.changes.announceReports(1));
    expect(told).toHaveLength(count);
  });

  test("an announcement is of so many sessions, and says whether there are more", async () => {
    const { store } = await openFor(open);
    for (const name of ["a", "b", "c"]) await store.create({ session_id: name, config });
    const told = follow(store);
    for (const name of ["a", "b", "c"]) await store.report(parseSessionId(name), { processed: ["x"] });
    expect(store.changes.announceReports(2)).toBe(true);
    expect(told).toHaveLength(2);
    expect(store.changes.announceReports(2)).toBe(false);
    expect(new Set(told.map(({ session_id }) => session_id))).toEqual(new Set(["a", "b", "c"]));
    expect(store.changes.announceReports(2)).toBe(false);
    expect(told).toHaveLength(3);
  });

  test("who has unsubscribed is told nothing more", async () => {
    const { store } = await openFor(open);
    const told: StoreChange[] = [];
    const unsubscribe = store.changes.subscribe((change) => void told.push(change));
    await store.create({ session_id: id, config });
    unsubscribe();
    await store.apply(id, { type: "edit", pinned: true });
    expect(told).toHaveLength(1);
  });

  test("in any order of reports, changes and looks: one chain, and no report twice", async () => {
    const step = fc.constantFrom(
      "report",
      "many",
      "edit",
      "pause",
      "look",
      "announce",
      "remove",
      "restore",
      "save",
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const opened = await open();
        const told: StoreChange[] = [];
        opened.store.changes.subscribe((change) => void told.push(change));
        try {
          await opened.store.create({ session_id: id, config });
          for (const [at, what] of steps.entries()) await make(opened.store, what, at).catch(() => {});
          while (opened.store.changes.announceReports(1));
          expectChain(told);
          const last = told.at(-1)?.after;
          const now = (await opened.store.has(id)) ? await opened.store.summary(id) : undefined;
          expect(last).toEqual(now);
        } finally {
          await opened.close();
        }
      }),
      runs(10, 200),
    );
  });
}

async function make(store: SessionStore, what: string, at: number): Promise<unknown> {
  const report = (n: number) => store.report(id, { processed: [`${at}-${n}`] });
  switch (what) {
    case "report":
      return report(0);
    case "many":
      return Promise.all([report(0), store.apply(id, { type: "edit", labels: { at: `${at}` } }), report(1)]);
    case "edit":
      return store.apply(id, { type: "edit", labels: { at: `${at}` } });
    case "pause":
      return store.apply(id, { type: "transition", verb: at % 2 === 0 ? "pause" : "resume" });
    case "look":
      return store.summary(id);
    case "announce":
      return store.changes.announceReports(1);
    case "remove":
      return store.remove(id, { reason: "test" });
    case "restore":
      return store.restoreTrash(id);
    default:
      return store.save(document("s"));
  }
}
