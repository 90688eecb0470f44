/**
 * Tells whether the clock was set, by comparing it with the time since boot. Pure.
 *
 * Each job of cleanup has an account of the steps that the clock made since the job last accepted the time.
 */
import { type JobName, jobNames } from "../contract/replies.ts";
import { roughDuration } from "../time/duration.ts";
import { listId, type Plan } from "./policy.ts";

/** One reading of both clocks, in milliseconds. */
export interface ClockReading {
  boot_id: string;
  since_boot_ms: number;
  /** Since 1970. */
  wall_ms: number;
}

export interface ClockState extends ClockReading {
  /** The last readings of other hosts, and of earlier boots. */
  elsewhere: ClockReading[];
  /** By how much the clock was set since the job accepted the time; negative if it was set back. */
  set_by_ms: Record<JobName, number>;
  /** When the last step was noticed, by the clock after that step; null if there was none. */
  noticed_ms: number | null;
}

/** The clock was set by more than an hour, and nobody has said yet that the time is right. */
export interface ClockJump {
  /** Negative if the clock was set back. */
  byMs: number;
  /** Since 1970, by the clock after the step. */
  noticedMs: number;
}

/**
 * A smaller step between two readings is a correction, such as that of a time server, and is forgotten. So
 * corrections do not add up over the years. Larger steps do add up: three of 50 minutes are a jump. (A clock
 * that is slewed makes no step, as the kernel slews the time since boot with it.)
 */
const correctionMs = 60_000;
const jumpMs = 3_600_000;
/** The time since boot is read a moment after the other clock, and in coarse steps. */
const slackMs = 2000;
/** Of other hosts and earlier boots. The oldest go. */
const mostReadings = 100;

export function firstState(reading: ClockReading): ClockState {
  return { ...reading, elsewhere: [], set_by_ms: everyJob(() => 0), noticed_ms: null };
}

/** The last reading of the same boot of the same host, if there is one. */
export function readingBefore(state: ClockState, { boot_id, since_boot_ms }: ClockReading) {
  // A container that is started again may keep the boot id of its host, and count from 0.
  return [state, ...state.elsewhere].find(
    (other) => other.boot_id === boot_id && since_boot_ms >= other.since_boot_ms - slackMs,
  );
}

/**
 * The state after a further reading. Each host compares its own readings: only it knows how much time has
 * passed. Hosts that share a clock all see a step of it, but it counts once.
 */
export function observe(state: ClockState, reading: ClockReading): ClockState {
  const { since_boot_ms, wall_ms } = reading;
  const own = readingBefore(state, reading);
  const elsewhere = othersThan(state, reading);
  if (own === undefined) {
    const left = everyJob((job) => leftOverBoot(state.set_by_ms[job], wall_ms - state.wall_ms));
    return { ...reading, elsewhere, set_by_ms: left, noticed_ms: state.noticed_ms };
  }
  const step = Math.round(wall_ms - own.wall_ms - (since_boot_ms - own.since_boot_ms));
  if (Math.abs(step) <= correctionMs) return { ...state, ...reading, elsewhere };
  return {
    ...reading,
    elsewhere: elsewhere.map((other) => ({ ...other, wall_ms: other.wall_ms + step })),
    set_by_ms: everyJob((job) => state.set_by_ms[job] + step),
    noticed_ms: Math.round(wall_ms),
  };
}

function othersThan(state: ClockState, { boot_id }: ClockReading): ClockReading[] {
  const { boot_id: last, since_boot_ms, wall_ms } = state;
  return [{ boot_id: last, since_boot_ms, wall_ms }, ...state.elsewhere]
    .filter((other) => other.boot_id !== boot_id)
    .slice(0, mostReadings);
}

/**
 * How long the machine was off nobody can tell. But a clock that stands before its last reading was put back,
 * and one that is further on than it had been set back by was put right: then the earlier jump is over.
 */
function leftOverBoot(setByMs: number, passedMs: number): number {
  if (Math.abs(setByMs) <= jumpMs) return 0;
  const isOver = setByMs > 0 ? passedMs < 0 : passedMs >= -setByMs;
  return isOver ? 0 : setByMs;
}

export function jumpFor(state: ClockState, job: JobName): ClockJump | undefined {
  const byMs = state.set_by_ms[job];
  return Math.abs(byMs) > jumpMs ? { byMs, noticedMs: state.noticed_ms ?? state.wall_ms } : undefined;
}

/** The state after somebody approved a plan of this job, and with it the present time. */
export function accepted(state: ClockState, job: JobName): ClockState {
  return { ...state, set_by_ms: { ...state.set_by_ms, [job]: 0 } };
}

/** What happened, for a person: `the clock was set forward by 400 d (noticed at …)`. */
export function describeJump({ byMs, noticedMs }: ClockJump): string {
  const way = byMs > 0 ? "forward" : "back";
  const noticed = new Date(noticedMs).toISOString();
  const by = roughDuration(Math.round(Math.abs(byMs) / 60_000) * 60_000);
  return `the clock was set ${way} by ${by} (noticed at ${noticed})`;
}

/** Why a pass waits after a jump, for a person. */
export function whyWaiting(jump: ClockJump): string {
  return `${describeJump(jump)}, so no age is certain; approve the plan if the clock is right now, or set it right`;
}

/** The plan with an id that is good for this jump only: what was approved before it is not approved now. */
export function boundTo(jump: ClockJump | undefined, plan: Plan): Plan {
  return jump === undefined ? plan : { ...plan, plan_id: listId(plan.plan_id, [jump.byMs]) };
}

/** The plan with a warning about the jump, for whoever looks at it. */
export function warnedOf(jump: ClockJump | undefined, plan: Plan): Plan {
  if (jump === undefined) return plan;
  return { ...plan, warnings: [...plan.warnings, `${describeJump(jump)}, so no age is certain`] };
}

function everyJob(value: (job: JobName) => number): Record<JobName, number> {
  return Object.fromEntries(jobNames.map((job) => [job, value(job)])) as Record<JobName, number>;
}
