/** What readers and workers hear after changes were missed, over a store that says so. */
import { expect, test, vi } from "vitest";
import { parseSessionId } from "../../src/session/session-id.ts";
import type { StoreChange } from "../../src/store/session-store.ts";
import { eventually } from "../support/eventually.ts";
import { openMemoryStore } from "../support/memory-store/memory-store.ts";
import { attachWorker } from "./channel/channel-worker.ts";
import { follow } from "./events/event-reader.ts";
import { startServerOver } from "./running-server.ts";

const s = parseSessionId("s");

/** A server over a store that tells nothing while `missing` is set. */
async function startWithGaps() {
  const store = await openMemoryStore();
  const state = { missing: false };
  const listeners: (() => void)[] = [];
  const { changes } = store;
  const { subscribe } = changes;
  vi.spyOn(changes, "subscribe").mockImplementation((listener: (change: StoreChange) => void) =>
    subscribe.call(changes, (change: StoreChange) => {
      if (!state.missing) listener(change);
    }),
  );
  vi.spyOn(changes, "onGap").mockImplementation(((listener: () => void) => {
    listeners.push(listener);
    return () => {};
  }) as () => () => void);
  const server = await startServerOver(store, {});
  await server.create("s", ["a", "b"]);
  const gap = () => {
    state.missing = false;
    for (const listener of listeners) listener();
  };
  return { ...server, store, state, gap };
}

test("each reader is reset in the midst of its stream, whatever it wants, and goes on there", async () => {
  const { socketPath, store, state, gap } = await startWithGaps();
  const all = await follow(socketPath);
  const few = await follow(socketPath, "?kind=session.status&session=other");
  state.missing = true;
  await store.apply(s, { type: "transition", verb: "pause" });
  gap();
  await store.apply(s, { type: "transition", verb: "resume" });
  await all.until({ kind: "session.status", to: "running" });
  expect(all.events).toMatchObject([
    { kind: "reset", reason: "start" },
    { kind: "reset", reason: "too_old" },
    { kind: "session.status", from: "paused" },
  ]);
  expect((await few.until({ reason: "too_old" })).map(({ kind }) => kind)).toEqual(["reset", "reset"]);
});

test("a reader that was away during a gap is reset, too", async () => {
  const { socketPath, gap, create } = await startWithGaps();
  const reader = await follow(socketPath);
  await create("t");
  await reader.until({ session_id: "t" });
  const since = reader.lastId();
  reader.close();
  gap();
  const again = await follow(socketPath, `?since=${since}`);
  await again.until({ kind: "reset", reason: "too_old" });
});

test("a worker hears of a pause that was missed, and another of the end of its session", async () => {
  const { socketPath, store, state, gap, create } = await startWithGaps();
  await create("t", ["a"]);
  const one = await attachWorker(socketPath, "s");
  const other = await attachWorker(socketPath, "t");
  state.missing = true;
  await store.apply(s, { type: "transition", verb: "pause" });
  await store.remove(parseSessionId("t"), { reason: "test", force: true });
  gap();
  await eventually(() =>
    expect(one.messages).toContainEqual({ type: "status", status: "paused", reason: null }),
  );
  expect(await other.closed).toMatchObject({ code: "session_deleted" });
});
