/** The jobs of cleanup: when each runs, and what is remembered of it from one process to the next. */
import { z } from "zod";
import { policyNames, type ScheduleEntry } from "../contract/replies.ts";
import type { Logger } from "../log.ts";
import type { Records } from "../store/session-store.ts";
import { formatTimestamp, microsPerMs, parseTimestamp } from "../time/clock.ts";
import { Remembered } from "./remembered.ts";
import { type Job, Scheduler, type ScheduleTrigger, type Timing } from "./schedule.ts";

export const jobNames = [...policyNames, "trash"] as const;
export type JobName = (typeof jobNames)[number];

export type LastRun = NonNullable<ScheduleEntry["last_run"]>;

export interface JobSettings {
  name: JobName;
  enabled: boolean;
  /** A cron expression. */
  schedule: string;
  /** What the job does, as a sentence. */
  rule: string;
}

const stateSchema = z.object({
  job: z.enum(jobNames),
  schedule: z.string(),
  timezone: z.string(),
  /** The earliest slot that is not carried out. In the past, it was missed. */
  next_run: z.string().nullable(),
  last_run: z
    .object({
      time: z.string(),
      trigger: z.enum(["request", "schedule", "catch_up"]),
      outcome: z.string(),
      removed: z.int(),
      kept: z.int(),
      duration_ms: z.number(),
    })
    .nullable(),
});
const recordSchema = z.object({ jobs: z.array(stateSchema) });

type JobState = z.infer<typeof stateSchema>;

const unknown = { schedule: "", timezone: "", next_run: null, last_run: null };

export interface JobsOptions {
  records: Records;
  logger: Logger;
  /** Must not reject. */
  run(job: JobName, trigger: ScheduleTrigger): Promise<void>;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #scheduler: Scheduler;
  readonly #record: Remembered<z.infer<typeof recordSchema>>;
  /** Why the latest run of a job did not do all that it should. */
  readonly #failures = new Map<JobName, string>();
  #settings: readonly JobSettings[] = [];
  #timezone = "UTC";

  constructor(options: JobsOptions) {
    const { records, logger } = options;
    this.#options = options;
    this.#scheduler = new Scheduler({ logger, onChange: () => void this.#saveSchedule() });
    this.#record = new Remembered({
      records,
      name: "schedule",
      schema: recordSchema,
      empty: { jobs: [] },
      logger,
    });
  }

  load(): Promise<void> {
    return this.#record.load();
  }

  /**
   * Puts these jobs in the place of all others, from the first time on. With `catchUp`, one whose schedule is what it was
   * before and whose slot has passed since is run.
   *
   * @throws SessiondError `invalid_request` for a schedule that is not valid; the jobs stay as they were
   */
  arm(settings: readonly JobSettings[], timing: Timing, catchUp: boolean): void {
    const jobs = settings.flatMap(({ name, enabled, schedule }): Job[] => {
      const state = this.#state(name);
      const known = catchUp && state?.schedule === schedule && state.timezone === timing.timezone;
      const due = known ? parseDate(state.next_run) : undefined;
      return enabled ? [{ name, schedule, due, run: (trigger) => this.#options.run(name, trigger) }] : [];
    });
    const before = [this.#settings, this.#timezone] as const;
    [this.#settings, this.#timezone] = [settings, timing.timezone];
    try {
      this.#scheduler.arm(jobs, timing);
    } catch (error) {
      [this.#settings, this.#timezone] = before;
      throw error;
    }
  }

  /** Remembers a run, and what it left undone, if anything. */
  async ran(job: JobName, run: LastRun, failure?: string): Promise<void> {
    if (failure === undefined) this.#failures.delete(job);
    else this.#failures.set(job, failure);
    await this.#update({ [job]: { last_run: run } });
  }

  lastRun(job: JobName): LastRun | null {
    return this.#state(job)?.last_run ?? null;
  }

  /** Null for a job that is not armed. */
  nextRun(job: JobName): string | null {
    return formatDate(this.#scheduler.next(job));
  }

  get failures(): ReadonlyMap<JobName, string> {
    return this.#failures;
  }

  /** Resolves when what is remembered is saved. */
  idle(): Promise<void> {
    return this.#record.idle();
  }

  /** No job starts any more; resolves when none runs. */
  async stop(): Promise<void> {
    await this.#scheduler.stop();
    await this.idle();
  }

  #state(job: JobName): JobState | undefined {
    return this.#record.value.jobs.find((state) => state.job === job);
  }

  async #saveSchedule(): Promise<void> {
    const changes: Partial<Record<JobName, Partial<JobState>>> = {};
    for (const { name, schedule } of this.#settings) {
      changes[name] = {
        schedule,
        timezone: this.#timezone,
        next_run: formatDate(this.#scheduler.due(name)),
      };
    }
    await this.#update(changes);
  }

  /** What cannot be saved is still in force until the process ends: a full disk is no reason to stop for it. */
  async #update(changes: Partial<Record<JobName, Partial<JobState>>>): Promise<void> {
    const jobs = jobNames.flatMap((job) => {
      const before = this.#state(job);
      const change = changes[job];
      return before === undefined && change === undefined ? [] : [{ ...unknown, ...before, ...change, job }];
    });
    try {
      await this.#record.set({ jobs });
    } catch (error) {
      this.#options.logger.warn({ err: error }, "the runs of the cleanup jobs could not be saved");
    }
  }
}

function formatDate(date: Date | null): string | null {
  return date === null ? null : formatTimestamp(date.getTime() * microsPerMs);
}

function parseDate(text: string | null): Date | undefined {
  const at = text === null ? undefined : parseTimestamp(text);
  return at === undefined ? undefined : new Date(at / microsPerMs);
}
