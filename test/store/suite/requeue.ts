/** Requeue: processed files become pending again. */
import { expect, test } from "vitest";
import type { Command } from "../../../src/session/command.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, type OpenedStore, type OpenStore, restarts, withSession } from "./opened-store.ts";

const id = parseSessionId("s");

function requeue(...files: string[]): Command {
  return { type: "requeue", files };
}

/** A session with `a`, `b` and `c` processed, and `d` pending. */
async function withProcessed(open: OpenStore): Promise<OpenedStore> {
  const opened = await withSession(open, ["a", "b", "c", "d"]);
  await opened.store.report(id, { processed: ["a", "b", "c"], results: { a: 1, b: 2, c: 3 } });
  return opened;
}

export function requeueTests(open: OpenStore): void {
  test("processed files go to the end of the pending ones, in the order given; results stay", async () => {
    const { store } = await withProcessed(open);
    const { session } = await store.apply(id, requeue("c", "d", "a", "c"));
    expect(session).toMatchObject({
      processed_files: ["b"],
      pending_files: ["d", "c", "a"],
      partial_results: { a: 1, b: 2, c: 3 },
    });
    expect((await store.read(id)).session).toEqual(session);
    expect(await store.summary(id)).toMatchObject({ processed_count: 1, pending_count: 3 });
    await store.report(id, { processed: ["c"], results: { c: 4 } });
    expect((await store.read(id)).session).toMatchObject({
      processed_files: ["b", "c"],
      pending_files: ["d", "a"],
      partial_results: { a: 1, b: 2, c: 4 },
    });
  });

  test("of pending files there is nothing to do", async () => {
    const { store } = await withProcessed(open);
    const { session: before } = await store.read(id);
    expect((await store.apply(id, requeue("d", "d"))).session).toEqual(before);
    expect((await store.apply(id, requeue())).session).toEqual(before);
    expect((await store.read(id)).session).toEqual(before);
  });

  test("a file that the session does not have is refused by name, and nothing is requeued", async () => {
    const { store } = await withProcessed(open);
    const { session: before } = await store.read(id);
    const refused = store.apply(id, requeue("a", "nothing", "else"));
    await expect(refused).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining('"nothing"'),
      issues: [{ path: "files[1]" }],
    });
    expect((await store.read(id)).session).toEqual(before);
  });

  test("anybody may requeue while workers share the session, but not what they have claimed", async () => {
    const { store } = await withProcessed(open);
    const { epoch } = (await store.leases.acquire(id, { shared: true })).lease;
    expect((await store.claims.take(id, epoch, 1)).files).toEqual(["d"]);
    const { session: before } = await store.read(id);
    const refused = store.apply(id, requeue("a", "d"));
    await expect(refused).rejects.toMatchObject({
      code: "not_claimed",
      message: expect.stringContaining('"d"'),
    });
    expect((await store.read(id)).session).toEqual(before);
    await store.apply(id, requeue("b"));
    expect(await store.claims.take(id, epoch, 9)).toEqual({ files: ["b"], left: 2, free: 0 });
    expect(await codeOf(store.apply(id, requeue("b")))).toBe("not_claimed");
    await store.report(id, { processed: ["b"], results: { b: "again" } }, { epoch });
    expect((await store.read(id)).session.partial_results).toMatchObject({ b: "again" });
  });

  test("while a worker has the session for itself, only that worker may requeue", async () => {
    const { store } = await withProcessed(open);
    const { epoch } = (await store.leases.acquire(id, {})).lease;
    expect(await codeOf(store.apply(id, requeue("a")))).toBe("lease_held");
    expect(await codeOf(store.apply(id, requeue("a"), { epoch: epoch + 1 }))).toBe("lease_lost");
    expect(await codeOf(store.apply(id, requeue("a"), { epoch }))).toBe("ok");
  });

  test.each(Object.entries(restarts))(
    "what was requeued is pending after a %s, whatever was reported",
    async (_, start) => {
      const opened = await withProcessed(open);
      await opened.store.apply(id, requeue("b"));
      await start(opened);
      const { session } = await opened.store.read(id);
      expect(session).toMatchObject({ processed_files: ["a", "c"], pending_files: ["d", "b"] });
    },
  );
}
