/** When nobody uses a daemon: what counts as use, and that it is told once. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { watchIdle } from "../../src/daemon/idle.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function watch(idleMs = 10_000) {
  const daemon = { open: 0, accepted: 0, leased: false, inPlace: true, idle: 0 };
  const stop = watchIdle({
    idleMs,
    connections: () => daemon,
    isLeased: async () => daemon.leased,
    isInPlace: () => daemon.inPlace,
    onIdle: () => void daemon.idle++,
  });
  onTestFinished(stop);
  return daemon;
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test("a daemon that nobody ever uses is idle after the time, and not before", async () => {
  const daemon = watch();
  await pass(9500);
  expect(daemon.idle).toBe(0);
  await pass(1500);
  expect(daemon.idle).toBe(1);
  await pass(60_000);
  expect(daemon.idle).toBe(1);
});

test.each(["open connections", "a lease"])("%s are use, and the time begins at their end", async (use) => {
  const daemon = watch();
  const isLease = use === "a lease";
  Object.assign(daemon, isLease ? { leased: true } : { open: 1, accepted: 1 });
  await pass(3_600_000);
  expect(daemon.idle).toBe(0);
  Object.assign(daemon, { leased: false, open: 0 });
  await pass(9000);
  expect(daemon.idle).toBe(0);
  await pass(2000);
  expect(daemon.idle).toBe(1);
});

test("a request between two looks begins the time anew", async () => {
  const daemon = watch();
  for (let times = 0; times < 20; times++) {
    await pass(9000);
    daemon.accepted++;
  }
  expect(daemon.idle).toBe(0);
  await pass(11_000);
  expect(daemon.idle).toBe(1);
});

test("a short time is looked at in time", async () => {
  const daemon = watch(200);
  await pass(240);
  expect(daemon.idle).toBe(1);
});

test("a store that was moved away ends the daemon soon, but not under a connection", async () => {
  const daemon = watch();
  Object.assign(daemon, { inPlace: false, leased: true, open: 1 });
  await pass(60_000);
  expect(daemon.idle).toBe(0);
  // The daemon at the new place asks this one again and again.
  Object.assign(daemon, { open: 0, accepted: 7 });
  await pass(1000);
  expect(daemon.idle).toBe(1);
});
