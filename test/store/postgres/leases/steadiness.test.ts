import fc from "fast-check";
import { expect, test } from "vitest";
import { Steadiness } from "../../../../src/store/postgres/leases/steadiness.ts";

const longUp = { serverUpMs: 1e9, availableSinceMs: 0 };

function beats(steadiness: Steadiness, times: readonly number[]): boolean[] {
  return times.map((atMs) => steadiness.take({ atMs, ...longUp }));
}

test("it counts from the first heartbeat, and from the last break", () => {
  const steadiness = new Steadiness(500);
  expect(steadiness.steadyMs).toBe(0);
  expect(beats(steadiness, [1000, 1250, 1500])).toEqual([true, false, false]);
  expect(steadiness.steadyMs).toBe(500);
  expect(beats(steadiness, [2001, 2500])).toEqual([true, false]);
  expect(steadiness.steadyMs).toBe(499);
});

test("it counts from the start of the server, and from when the database came back", () => {
  const steadiness = new Steadiness(500);
  for (let atMs = 0; atMs <= 5000; atMs += 250)
    steadiness.take({ atMs, serverUpMs: 300 + atMs, availableSinceMs: 0 });
  expect(steadiness.steadyMs).toBe(5000);
  steadiness.take({ atMs: 5250, serverUpMs: 40, availableSinceMs: 0 });
  expect(steadiness.steadyMs).toBe(40);
  steadiness.take({ atMs: 5500, serverUpMs: 1e6, availableSinceMs: 5400 });
  expect(steadiness.steadyMs).toBe(100);
  // The monotonic clock may have been read before the database said that it is back.
  steadiness.take({ atMs: 5600, serverUpMs: 1e6, availableSinceMs: 5601 });
  expect(steadiness.steadyMs).toBe(0);
});

/**
 * The database answers nobody for a while, and then everybody in any order. Until then each host had a
 * heartbeat in each quarter of its time.
 */
test("whatever the pause, nobody that is alive is old enough when somebody else may say so", () => {
  const ttl = 1000;
  const every = ttl / 4;
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 5 * ttl }),
      fc.integer({ min: 0, max: every }),
      fc.integer({ min: 0, max: every }),
      (pauseMs, phase, delayMs) => {
        const mine = new Steadiness(ttl / 2);
        const pauseAt = 4 * ttl;
        for (let atMs = 0; atMs <= pauseAt; atMs += every) mine.take({ atMs, ...longUp });
        // The other one had its last heartbeat before the pause, and has the next one when it is over.
        const otherAt = pauseAt - phase;
        const over = pauseAt + pauseMs + delayMs;
        mine.take({ atMs: over, ...longUp });
        const mayExpire = mine.steadyMs >= ttl && over - otherAt > ttl;
        expect(mayExpire).toBe(false);
      },
    ),
  );
});
