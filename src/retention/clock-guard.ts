/** Watches the system clock for cleanup, over restarts: the readings, and the record of them in the store. */
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
} from "./clock-jump.ts";
import { SavedRecord } from "./saved-record.ts";

const stateSchema = z.object({
  boot_id: z.string(),
  since_boot_ms: z.number(),
  wall_ms: z.number(),
  set_by_ms: z.record(z.enum(jobNames), z.number()),
  noticed_ms: z.number().nullable(),
});
const recordSchema = z.object({ clock: stateSchema.nullable() });

/** Corrections of the clock are saved once they come to this much, so that a restart finds no step. */
const savedDriftMs = 1000;

export interface ClockGuardOptions {
  records: Pick<Records, "load" | "replace">;
  clock: Clock;
  bootTime: BootTime;
  logger: Logger;
}

export class ClockGuard {
  readonly #options: ClockGuardOptions;
  readonly #record: SavedRecord<z.infer<typeof recordSchema>>;
  /** Undefined before the first look. */
  #state: ClockState | undefined;

  constructor(options: ClockGuardOptions) {
    this.#options = options;
    this.#record = new SavedRecord({
      records: options.records,
      name: "clock",
      schema: recordSchema,
      empty: { clock: null },
    });
  }

  /**
   * Reads both clocks, and compares them with the last reading. A reading that cannot be saved counts until
   * the process ends.
   */
  async look(): Promise<void> {
    await this.#record.load();
    const saved = this.#record.value.clock;
    const before = this.#state ?? saved;
    const reading = this.#read();
    const state = before === null ? firstState(reading) : observe(before, reading);
    this.#state = state;
    const isStep = before !== null && state.noticed_ms !== before.noticed_ms;
    if (isStep) this.#tell(state);
    if (saved !== null && !isStep && isAsSaved(saved, state)) return;
    try {
      await this.#record.set({ clock: state });
    } catch (error) {
      this.#options.logger.warn({ err: error }, "cannot save the reading of the clock");
    }
  }

  /** What the last look found for a job. */
  jump(job: JobName): ClockJump | undefined {
    return this.#state && jumpFor(this.#state, job);
  }

  /** Takes the present time as right for a job. Durable when it resolves. */
  async accept(job: JobName): Promise<void> {
    if (this.#state === undefined || this.jump(job) === undefined) return;
    const state = accepted(this.#state, job);
    await this.#record.set({ clock: state });
    this.#state = state;
    this.#options.logger.info({ job }, `cleanup of ${job} goes on by the clock as it is now`);
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
    if (jump === undefined) this.#options.logger.info("the system clock is again about what it was");
    else {
      this.#options.logger.warn(
        { jobs: jumped },
        `${describeJump(jump)}: cleanup removes nothing until its plans are approved`,
      );
    }
  }
}

function isAsSaved(saved: ClockState, state: ClockState): boolean {
  if (saved.boot_id !== state.boot_id || saved.since_boot_ms > state.since_boot_ms) return false;
  const drift = state.wall_ms - state.since_boot_ms - (saved.wall_ms - saved.since_boot_ms);
  return (
    Math.abs(drift) <= savedDriftMs && jobNames.every((job) => saved.set_by_ms[job] === state.set_by_ms[job])
  );
}
