/** Changes that are to be made only while a session is as somebody saw it. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { ChangeOptions, SessionStore, StoredSession } from "../../../src/store/session-store.ts";
import { codeOf, config, document, type OpenStore, openFor, restarts } from "./opened-store.ts";

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
  const { revision, generation, checkpoint_time } = summary;
  const seen = { revision, generation, checkpoint_time };
  return [
    [false, { ifSeen: { ...seen, revision: revision - 1 } }],
    [false, { ifSeen: { ...seen, revision: revision + 1 } }],
    [false, { ifSeen: { ...seen, generation: "another" } }],
    [false, { ifSeen: { ...seen, generation: null } }],
    [false, { ifSeen: { ...seen, checkpoint_time: "2026-01-02T03:04:05.123456Z" } }],
    [true, { ifSeen: seen }],
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
    const { summary: first } = await store.create({ session_id: id, config });
    const reports = Array.from({ length: 5 }, (_, n) => store.report(id, { processed: [`f${n}`] }));
    const late = codeOf(kinds.transition?.(store, { ifSeen: first }) as Promise<unknown>);
    await Promise.all(reports);
    expect(await late).toBe("revision_mismatch");
    const last = await store.summary(id);
    expect(last.revision).toBe(6);
    expect(await codeOf(kinds.transition?.(store, { ifSeen: last }) as Promise<unknown>)).toBe("ok");
  });

  test("let one of many through that saw the same state", async () => {
    const { store } = await openFor(open);
    const { summary } = await store.create({ session_id: id, config });
    const tries = Array.from({ length: 20 }, (_, n) =>
      codeOf(store.apply(id, { type: "edit", labels: { n: `${n}` } }, { ifSeen: summary })),
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
      expect(
        await codeOf(change(store, { ifSeen: { ...later.summary, generation: summary.generation } })),
      ).toBe("revision_mismatch");
    expect(await store.read(id)).toEqual(later);
  });

  test.each(Object.entries(restarts))("tell them apart over a %s", async (_, start) => {
    const opened = await openFor(open);
    const { summary, session } = await opened.store.create({ session_id: id, config });
    await opened.store.remove(id, { reason: "test", purge: true });
    await start(opened);
    const later = await opened.store.create({ session_id: id, config });
    for (const change of Object.values(kinds))
      expect(await codeOf(change(opened.store, { ifSeen: summary }))).toBe("revision_mismatch");
    expect(await codeOf(opened.store.save(session, { ifSeen: summary }))).toBe("revision_mismatch");
    expect(await opened.store.read(id)).toEqual(later);
  });

  test("let a save only replace", async () => {
    const { store } = await openFor(open);
    expect(await codeOf(store.save(document("s"), { ifPresent: true }))).toBe("session_not_found");
    const { summary } = await store.create({ session_id: id, config });
    const saved = await store.save(document("s", { status: "paused" }), { ifPresent: true });
    expect([saved.created, saved.summary.revision]).toEqual([false, summary.revision + 1]);
    await store.remove(id, { reason: "test" });
    expect(await codeOf(store.save(document("s"), { ifPresent: true }))).toBe("session_deleted");
    expect(await codeOf(store.save(document("s"), { ifSeen: saved.summary }))).toBe("session_deleted");
    expect(await store.has(id)).toBe(false);
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
