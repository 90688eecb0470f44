import type { BootTime } from "../../src/time/boot-time.ts";
import type { Clock, Micros } from "../../src/time/clock.ts";

/** A time since boot that goes as this clock goes: a clock that nobody sets. */
export function bootTimeOf(clock: Clock): BootTime {
  return { bootId: "boot", sinceBootMs: () => clock.now() / 1000 };
}

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

/** A machine whose clock can be set, and which can be started again. */
export interface FakeMachine {
  readonly clock: Clock;
  readonly bootTime: BootTime;
  /** Time goes by, awake or asleep: both clocks go on. */
  pass(ms: number): void;
  /** Somebody sets the system clock, forward or back. */
  set(byMs: number): void;
  /** The machine is off for a while, and its clock goes on. */
  reboot(offMs: number): void;
}

export function fakeMachine(start = "2026-03-01T00:00:00Z"): FakeMachine {
  const clock = fakeClock(start);
  let boots = 1;
  let sinceBootMs = 1000;
  const bootTime = {
    get bootId() {
      return `boot-${boots}`;
    },
    sinceBootMs: () => sinceBootMs,
  };
  return {
    clock,
    bootTime,
    pass(ms) {
      clock.advance(ms);
      sinceBootMs += ms;
    },
    set: (byMs) => clock.advance(byMs),
    reboot(offMs) {
      boots++;
      sinceBootMs = 1000;
      clock.advance(offMs);
    },
  };
}
