import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServerClock } from "../../../../src/store/postgres/connection/server-clock.ts";

const second = 1_000_000;
const hour = 3600 * second;

/** A machine whose own clock is an hour off; its monotonic clock is in the test's hand, in milliseconds. */
function machine(trueMicros = 1_800_000_000 * second) {
  const at = { ms: 1000 };
  const truth = () => trueMicros + (at.ms - 1000) * 1000;
  const clock = new ServerClock({ now: () => truth() - hour }, () => at.ms);
  const measure = (there: number, back: number, us = truth() + there * 1000) => {
    const sentMs = at.ms;
    at.ms += there + back;
    clock.measure(sentMs, at.ms, us);
  };
  return { at, truth, clock, measure };
}

describe("the clock of the database", () => {
  test("is that of the machine until it is measured, and then does not depend on it", () => {
    const { at, truth, clock, measure } = machine();
    expect(clock.now()).toBe(truth() - hour);
    measure(1, 1);
    expect(clock.now()).toBe(truth());
    at.ms += 10_000;
    expect(clock.now()).toBe(truth());
  });

  test("goes by the measurement whose answer came soonest", () => {
    const { truth, clock, measure } = machine();
    measure(1, 1);
    // Half a second on the way back alone: by itself it would be 250 ms off.
    measure(0, 500);
    expect(Math.abs(clock.now() - truth())).toBeLessThanOrEqual(2);
  });

  test("follows the database when its clock is set, also back", () => {
    const { truth, clock, measure } = machine();
    for (let n = 0; n < 8; n++) measure(1, 1);
    for (const set of [hour, -2 * hour]) {
      measure(1, 1, truth() + set + 1000);
      expect(Math.abs(clock.now() - (truth() + set))).toBeLessThanOrEqual(2);
    }
  });

  test("never stands still, and never goes back by less than a second's setting", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ there: fc.nat(300), back: fc.nat(300), wait: fc.nat(5000) })),
        (steps) => {
          const { at, clock, measure } = machine();
          measure(1, 1);
          let last = clock.now();
          for (const { there, back, wait } of steps) {
            measure(there, back);
            const next = clock.now();
            expect(next).toBeGreaterThan(last);
            last = next;
            at.ms += wait;
          }
        },
      ),
    );
  });
});
