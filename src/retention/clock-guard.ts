/**
 * Watches the clock of the store for cleanup, over restarts: the readings, and the record of them in the
 * store.
 */
import { z } from "zod";
import { type JobName, jobNames } from "../contract/replies.ts";
import type { Logger } from "../log.ts";
import type { Records } from "../store/session-store.ts";
import type { BootTime } from "../time/boot-time.ts";
import { type Clock, microsPerMs } from "../time/clock.ts";
import {
  accepted,
  type ClockJump,
  type ClockReading,
  type ClockState,
  describeJump,
  firstState,
  jumpFor,
  observe,
  readingBefore,
} from "./clock-jump.ts";

const readingSchema = z.object({ boot_id: z.string(), since_boot_ms: z.number(), wall_ms: z.number() });
const stateSchema = readingSchema.extend({
  elsewhere: z.array(readingSchema).default([]),
  set_by_ms: z.record(z.enum(jobNames), z.number()),
  noticed_ms: z.number().nullable(),
});
const recordSchema = z.object({ clock: stateSchema.nullable() });
const recordName = "clock";

/** Corrections of the clock are saved once they come to this much, so that a restart finds no step. */
const savedDriftMs = 1000;

export interface ClockGuardOptions {
  records: Pick<Records, "load" | "update">;
  /** That of the store. */
  clock: Clock;
  bootTime: BootTime;
  logger: Logger;
}

export class ClockGuard {
  readonly #options: ClockGuardOptions;
  /** Undefined before the first look. */
  #state: ClockState | undefined;
  /** A state that could not be saved counts until the process ends. */
  #unsaved: ClockState | undefined;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
  }

  /**
   * Reads both clocks, and compares them with the last reading. The other daemons of the store learn what is
   * found.
   */
  async look(): Promise<void> {
    const saved = (await this.#options.records.load(recordName, recordSchema))?.clock;
    const reading = this.#read();
    const before = this.#unsaved ?? saved ?? undefined;
    const state = after(before, reading);
    this.#state = state;
    const isStep = before !== undefined && state.noticed_ms !== before.noticed_ms;
    if (isStep) this.#tell(state);
    if (saved && !isStep && isAsSaved(saved, state)) return;
    try {
      await this.#update((clock) => after(clock, reading));
    } catch (error) {
      this.#unsaved = state;
      this.#options.logger.warn({ err: error }, "cannot save the reading of the clock");
    }
  }

  /** What the last look found for a job. */
  jump(job: JobName): ClockJump | undefined {
    return this.#state && jumpFor(this.#state, job);
  }

  /** Takes the present time as right for a job. Durable when it resolves. */
  async accept(job: JobName): Promise<void> {
    const state = this.#state;
    if (state === undefined || this.jump(job) === undefined) return;
    await this.#update((clock) => accepted(clock ?? state, job));
    this.#options.logger.info({ job }, `cleanup of ${job} goes on by the clock as it is now`);
  }

  async #update(change: (clock: ClockState | undefined) => ClockState): Promise<void> {
    const unsaved = this.#unsaved;
    const saved = await this.#options.records.update(recordName, recordSchema, (record) => ({
      clock: change(unsaved ?? record?.clock ?? undefined),
    }));
    this.#state = saved.clock ?? this.#state;
    if (this.#unsaved === unsaved) this.#unsaved = undefined;
  }

  #read(): ClockReading {
    const { clock, bootTime } = this.#options;
    return {
      boot_id: bootTime.bootId,
      since_boot_ms: bootTime.sinceBootMs(),
      wall_ms: clock.now() / microsPerMs,
    };
  }

  #tell(state: ClockState): void {
    const jumped = jobNames.filter((job) => jumpFor(state, job) !== undefined);
    const [first] = jumped;
    const jump = first && jumpFor(state, first);
    if (jump === undefined) this.#options.logger.info("the clock is again about what it was");
    else {
      this.#options.logger.warn(
        { jobs: jumped },
        `${describeJump(jump)}: cleanup removes nothing until its plans are approved`,
      );
    }
  }
}

function after(before: ClockState | undefined, reading: ClockReading): ClockState {
  return before === undefined ? firstState(reading) : observe(before, reading);
}

function isAsSaved(saved: ClockState, state: ClockState): boolean {
  const own = readingBefore(saved, state);
  if (own === undefined || own.since_boot_ms > state.since_boot_ms) return false;
  const drift = state.wall_ms - state.since_boot_ms - (own.wall_ms - own.since_boot_ms);
  return (
    Math.abs(drift) <= savedDriftMs && jobNames.every((job) => saved.set_by_ms[job] === state.set_by_ms[job])
  );
}
