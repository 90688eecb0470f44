/** Closing a store, and opening it again: what was acknowledged is there. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, codesOf, config, document, type OpenStore, openFor, restarts } from "./opened-store.ts";

const id = parseSessionId("s");

export function restartTests(open: OpenStore): void {
  test.each(Object.entries(restarts))(
    "after a %s everything that was acknowledged is there",
    async (_, start) => {
      const opened = await openFor(open);
      await opened.store.create({ session_id: id, config, pending_files: ["a", "b"], labels: { x: "y" } });
      await opened.store.create({ session_id: "gone", config });
      await opened.store.save(document("saved", { status: "failed", status_reason: "why" }));
      await opened.store.report(id, { processed: ["a"], results: { a: 1 } });
      await opened.store.apply(id, { type: "edit", pinned: true });
      await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          opened.store.report(id, { processed: [`f${n}`], added: [`g${n}`] }),
        ),
      );
      await opened.store.remove(parseSessionId("gone"), { reason: "test", purge: true });
      const before = await opened.store.read(id);
      const saved = await opened.store.read(parseSessionId("saved"));
      for (let times = 0; times < 2; times++) {
        await start(opened);
        expect((await opened.store.read(id)).session).toEqual(before.session);
        expect(await opened.store.read(parseSessionId("saved"))).toEqual(saved);
        const { bytes: _, ...summary } = before.summary;
        expect(await opened.store.summary(id)).toMatchObject(summary);
        expect(await codeOf(opened.store.read(parseSessionId("gone")))).toBe("session_not_found");
        expect(await opened.store.stats()).toMatchObject({ total: 2, running: 1, failed: 1 });
        expect(await opened.store.health()).toEqual([]);
      }
      const next = await opened.store.report(id, { processed: ["b"] });
      expect(next.revision).toBe(before.summary.revision + 1);
    },
  );

  test.each(Object.entries(restarts))("after a %s an unknown outcome is one of the two", async (_, start) => {
    const opened = await openFor(open);
    await opened.store.create({ session_id: id, config });
    const reports = Array.from({ length: 20 }, (_, n) => opened.store.report(id, { processed: [`f${n}`] }));
    const pausing = codeOf(opened.store.apply(id, { type: "transition", verb: "pause" }));
    const acknowledged = Promise.allSettled(reports);
    await start(opened);
    const kept = (await opened.store.read(id)).session;
    // Reports come in order, and none without those before.
    expect(kept.processed_files).toEqual(
      Array.from({ length: kept.processed_files.length }, (_, n) => `f${n}`),
    );
    if (kept.status === "paused") expect(kept.processed_files).toHaveLength(20);
    await Promise.all([acknowledged, pausing]);
  });

  test("closing finishes what is under way, refuses the rest, and says of each which it was", async () => {
    const opened = await openFor(open);
    const { store } = opened;
    await store.create({ session_id: id, config });
    const creating = store.create({ session_id: "t", config });
    const before = codesOf({
      pause: store.apply(id, { type: "transition", verb: "pause" }),
      a: store.report(id, { processed: ["a"] }),
      b: store.report(id, { processed: ["b"] }),
      label: store.apply(id, { type: "edit", labels: { x: "y" } }),
    });
    const closing = store.close();
    const late = await codesOf({
      create: store.create({ session_id: "late", config }),
      report: store.report(id, { processed: ["late"] }),
      apply: store.apply(id, { type: "edit", pinned: true }),
      save: store.save(document("late")),
      remove: store.remove(id, { reason: "test" }),
      backup: store.backup(id),
      restoreTrash: store.restoreTrash(id),
      emptyTrash: store.emptyTrash(),
      acquire: store.leases.acquire(id, {}),
      replace: store.records.replace("d", 1),
      append: store.records.append("log", [1]),
    });
    expect(new Set(Object.values(late))).toEqual(new Set(["shutting_down"]));
    await creating;
    const made = await before;
    for (const code of Object.values(made)) expect(code).toMatch(/^(ok|shutting_down)$/);
    await closing;
    await store.close();
    await opened.reopen();
    const { session } = await opened.store.read(id);
    expect(session).toMatchObject({
      status: made.pause === "ok" ? "paused" : "running",
      processed_files: ["a", "b"].filter((file) => made[file] === "ok"),
    });
    expect(session.labels).toEqual(made.label === "ok" ? { x: "y" } : undefined);
    const { sessions } = await opened.store.list({ sort: "session_id" });
    expect(sessions.map(({ session_id }) => session_id)).toEqual(["s", "t"]);
    expect(await opened.store.records.load("d")).toBeUndefined();
  });
}
