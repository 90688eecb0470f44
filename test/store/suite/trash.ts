/** Removing a session, which can be undone, and purging it, which cannot. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, codesOf, config, document, type OpenStore, openFor, restarts } from "./opened-store.ts";

const id = parseSessionId("s");

export function trashTests(open: OpenStore): void {
  test("takes a session in and gives it back as it was", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config, labels: { team: "a" }, pending_files: ["a", "b"] });
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    const before = await store.read(id);
    const { bytes, status } = before.summary;
    const removed = await store.remove(id, { reason: "requested" });
    expect(removed).toEqual({
      ...{ session_id: "s", purged: false, trash_id: removed.trash_id },
      bytes: removed.bytes,
    });
    const { entries, ...sums } = await store.listTrash();
    expect(sums).toEqual({ total: 1, bytes: removed.bytes });
    expect(removed.bytes).toBeGreaterThanOrEqual(bytes);
    expect(entries).toEqual([
      {
        ...{ session_id: "s", trash_id: removed.trash_id, status, reason: "requested" },
        ...{ bytes: removed.bytes, removed_time: expect.stringMatching(/^\d{4}-.*Z$/) },
      },
    ]);
    const { bytes: restoredBytes, ...restored } = await store.restoreTrash(id);
    const { bytes: _, ...known } = before.summary;
    expect(restored).toEqual(known);
    expect(restoredBytes).toBe(removed.bytes);
    expect((await store.read(id)).session).toEqual(before.session);
    expect(await store.listTrash()).toEqual({ entries: [], total: 0, bytes: 0 });
  });

  test("is told of by who asks for a session that is in it", async () => {
    const { store } = await openFor(open);
    const { summary: seen } = await store.create({ session_id: id, config });
    await store.remove(id, { reason: "test" });
    const asked = {
      read: store.read(id),
      summary: store.summary(id),
      apply: store.apply(id, { type: "transition", verb: "pause" }),
      report: store.report(id, {}),
      remove: store.remove(id, { reason: "test" }),
      backup: store.backup(id),
      acquire: store.leases.acquire(id, {}),
      "save over what was seen": store.save(document("s"), { ifSeen: seen }),
      "save only over": store.save(document("s"), { ifPresent: true }),
    };
    for (const [what, code] of Object.entries(await codesOf(asked)))
      expect(code, what).toBe("session_deleted");
    expect(await store.has(id)).toBe(false);
  });

  test("holds several of one id, and gives back the newest, or the one that is asked for", async () => {
    const { store } = await openFor(open);
    const ids: (string | null)[] = [];
    for (const target_path of ["/1", "/2", "/3"]) {
      await store.create({ session_id: id, config: { target_path } });
      ids.push((await store.remove(id, { reason: target_path })).trash_id);
    }
    const listed = (await store.listTrash()).entries.map(({ trash_id, reason }) => [trash_id, reason]);
    expect(listed).toEqual([
      [ids[2], "/3"],
      [ids[1], "/2"],
      [ids[0], "/1"],
    ]);
    expect((await store.restoreTrash(id, ids[0] as string)).target_path).toBe("/1");
    await store.remove(id, { reason: "test", purge: true });
    expect((await store.restoreTrash(id)).target_path).toBe("/3");
    await store.remove(id, { reason: "test", purge: true });
    expect(await codeOf(store.restoreTrash(id, "nonsense"))).toBe("session_not_found");
    expect(await codeOf(store.restoreTrash(parseSessionId("t"), ids[1] as string))).toBe("session_not_found");
    expect((await store.restoreTrash(id)).target_path).toBe("/2");
  });

  test("gives nothing back over a session of the same id", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await store.remove(id, { reason: "test" });
    const second = await store.create({ session_id: id, config: { target_path: "/second" } });
    expect(await codeOf(store.restoreTrash(id))).toBe("session_exists");
    expect(await store.read(id)).toEqual(second);
    expect((await store.listTrash()).total).toBe(1);
  });

  test("is emptied of what was in it long enough", async () => {
    const { store } = await openFor(open);
    for (const name of ["s", "t"]) {
      await store.create({ session_id: name, config });
      await store.remove(parseSessionId(name), { reason: "test" });
    }
    const { entries, bytes } = await store.listTrash();
    expect(await store.emptyTrash(60_000)).toEqual({ removed: 0, bytes: 0, entries: [] });
    const emptied = await store.emptyTrash();
    expect(emptied).toMatchObject({ removed: 2, bytes });
    expect(new Set(emptied.entries)).toEqual(new Set(entries));
    expect(await store.listTrash()).toEqual({ entries: [], total: 0, bytes: 0 });
    expect(await codeOf(store.read(id))).toBe("session_not_found");
    expect(await codeOf(store.restoreTrash(id))).toBe("session_not_found");
  });

  test("gets nothing of a session that is purged", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const { bytes } = await store.summary(id);
    const removed = await store.remove(id, { reason: "test", purge: true });
    expect(removed).toEqual({ session_id: "s", purged: true, trash_id: null, bytes });
    expect((await store.listTrash()).total).toBe(0);
    expect(await codeOf(store.read(id))).toBe("session_not_found");
  });

  test.each([true, false])(
    "no revision comes back when a session is created again (purged: %s)",
    async (purge) => {
      const { store } = await openFor(open);
      await store.create({ session_id: id, config });
      await store.report(id, { processed: ["a"] });
      await store.apply(id, { type: "transition", verb: "pause" });
      await store.remove(id, { reason: "test", purge });
      await store.emptyTrash();
      const { session, summary } = await store.create({ session_id: id, config });
      expect([session.revision, summary.revision]).toEqual([4, 4]);
      await store.remove(id, { reason: "test", purge });
      expect((await store.save(document("s", { revision: 1 }))).summary.revision).toBe(5);
    },
  );

  test.each(Object.entries(restarts))("keeps what it has through a %s", async (_, start) => {
    const opened = await openFor(open);
    await opened.store.create({ session_id: id, config, pending_files: ["a"] });
    await opened.store.report(id, { processed: ["a"] });
    const { session } = await opened.store.read(id);
    await opened.store.remove(id, { reason: "why" });
    const listing = await opened.store.listTrash();
    await start(opened);
    expect(await opened.store.listTrash()).toEqual(listing);
    expect(await codeOf(opened.store.read(id))).toBe("session_deleted");
    await opened.store.restoreTrash(id);
    await start(opened);
    expect((await opened.store.read(id)).session).toEqual(session);
    expect((await opened.store.listTrash()).total).toBe(0);
  });
}
