import type { Clock, Micros } from "../../src/time/clock.ts";

export interface FakeClock extends Clock {
  advance(ms: number): void;
}

/** Starts at the given time, moves one microsecond with each reading, and otherwise only when told. */
export function fakeClock(start = "2026-01-02T03:04:05Z"): FakeClock {
  let now: Micros = Date.parse(start) * 1000;
  return {
    now: () => now++,
    advance(ms) {
      now += ms * 1000;
    },
  };
}
