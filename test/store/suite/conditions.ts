/** Changes that are to be made only while a session is as somebody saw it. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { ChangeOptions, SessionStore, StoredSession } from "../../../src/store/session-store.ts";
import { codeOf, config, document, type OpenStore, openFor } from "./opened-store.ts";

const id = parseSessionId("s");

/** Each kind of change that takes conditions. */
const kinds: Record<string, (store: SessionStore, options: ChangeOptions) => Promise<unknown>> = {
  transition: (store, options) => store.apply(id, { type: "transition", verb: "pause" }, options),
  edit: (store, options) => store.apply(id, { type: "edit", pinned: true }, options),
  checkpoint: (store, options) =>
    store.apply(id, { type: "checkpoint", checkpoint: { processed_files: [], pending_files: [] } }, options),
  progress: (store, options) => store.apply(id, { type: "progress", delta: { processed: ["a"] } }, options),
  save: (store, options) => store.save(document("s"), options),
  remove: (store, options) => store.remove(id, { ...options, reason: "test" }),
  purge: (store, options) => store.remove(id, { ...options, reason: "test", purge: true }),
};

/** What fits a session, and what does not. */
function conditionsFor({ summary }: StoredSession): [fits: boolean, options: ChangeOptions][] {
  const { revision: ifRevision, generation: ifGeneration, checkpoint_time: ifCheckpoint } = summary;
  return [
    [false, { ifRevision: ifRevision - 1 }],
    [false, { ifRevision: ifRevision + 1 }],
    [false, { ifGeneration: "another" }],
    [false, { ifGeneration: null }],
    [false, { ifCheckpoint: "2026-01-02T03:04:05.123456Z" }],
    [false, { ifRevision, ifGeneration: "another" }],
    [false, { ifRevision, ifGeneration, ifCheckpoint: "2026-01-02T03:04:05.123456Z" }],
    [false, { ifRevision: ifRevision - 1, ifGeneration, ifCheckpoint }],
    [true, { ifRevision, ifGeneration, ifCheckpoint }],
  ];
}

export function conditionTests(open: OpenStore): void {
  test.each(Object.keys(kinds))("hold for: %s", async (kind) => {
    const { store } = await openFor(open);
    const change = kinds[kind] as (typeof kinds)[string];
    await store.create({ session_id: id, config });
    await store.report(id, { processed: ["x"] });
    const before = await store.read(id);
    for (const [fits, options] of conditionsFor(before)) {
      const what = JSON.stringify(options);
      if (fits) {
        expect(await codeOf(change(store, options)), what).toBe("ok");
      } else {
        await expect(change(store, options), what).rejects.toMatchObject({
          code: "revision_mismatch",
          outcome: "not_applied",
        });
        expect(await store.read(id)).toEqual(before);
      }
    }
    if (await store.has(id)) expect((await store.summary(id)).revision).toBe(before.summary.revision + 1);
  });

  test("of a revision are judged with every report that was made before", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const reports = Array.from({ length: 5 }, (_, n) => store.report(id, { processed: [`f${n}`] }));
    const late = codeOf(kinds.transition?.(store, { ifRevision: 1 }) as Promise<unknown>);
    await Promise.all(reports);
    expect(await late).toBe("revision_mismatch");
    expect(await codeOf(kinds.transition?.(store, { ifRevision: 6 }) as Promise<unknown>)).toBe("ok");
  });

  test("let one of many through that saw the same revision", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const tries = Array.from({ length: 20 }, (_, n) =>
      codeOf(store.apply(id, { type: "edit", labels: { n: `${n}` } }, { ifRevision: 1 })),
    );
    expect((await Promise.all(tries)).sort()).toEqual(["ok", ...Array(19).fill("revision_mismatch")]);
    expect((await store.summary(id)).revision).toBe(2);
  });

  test("tell a session from a later one of its id", async () => {
    const { store } = await openFor(open);
    const { summary } = await store.create({ session_id: id, config });
    await store.remove(id, { reason: "test" });
    const later = await store.create({ session_id: id, config });
    expect(later.summary.generation).not.toBe(summary.generation);
    for (const change of Object.values(kinds))
      expect(await codeOf(change(store, { ifGeneration: summary.generation }))).toBe("revision_mismatch");
    expect(await store.read(id)).toEqual(later);
  });

  test("let a save only create", async () => {
    const { store } = await openFor(open);
    const first = await store.save(document("s"), { ifAbsent: true });
    expect(first.created).toBe(true);
    const again = store.save(document("s", { status: "paused" }), { ifAbsent: true });
    await expect(again).rejects.toMatchObject({ code: "revision_mismatch", outcome: "not_applied" });
    expect((await store.read(id)).session).toEqual(first.session);
  });
}
