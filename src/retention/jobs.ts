/**
 * The jobs of cleanup: their schedules, and the record of their runs. It survives a restart, and all daemons
 * of a store share it.
 */
import { z } from "zod";
import { type JobName, jobNames, lastRunSchema } from "../contract/replies.ts";
import type { Logger } from "../log.ts";
import type { Records } from "../store/session-store.ts";
import { formatTimestamp, microsPerMs, parseTimestamp } from "../time/clock.ts";
import { SavedRecord } from "./saved-record.ts";
import { type Job, Scheduler, type ScheduleTrigger, type Timing } from "./schedule.ts";

export type LastRun = z.infer<typeof lastRunSchema>;

export interface JobSettings {
  name: JobName;
  enabled: boolean;
  /** A cron expression. */
  schedule: string;
  /** A sentence that says what the job does. */
  rule: string;
}

const stateSchema = z.object({
  job: z.enum(jobNames),
  schedule: z.string(),
  timezone: z.string(),
  /**
   * The earliest scheduled time whose run has not ended. If it is in the past at a start, the run was missed.
   */
  next_run: z.string().nullable(),
  last_run: lastRunSchema.nullable(),
  /** Why the last run failed or was incomplete. */
  failure: z.string().nullable().default(null),
});
const recordSchema = z.object({ jobs: z.array(stateSchema) });

type JobState = z.infer<typeof stateSchema>;

const unknown = { schedule: "", timezone: "", next_run: null, last_run: null, failure: null };

export interface JobsOptions {
  records: Records;
  logger: Logger;
  /** Runs a job that was due at this time. Must not reject. */
  run(job: JobName, trigger: ScheduleTrigger, due: Date): Promise<void>;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #scheduler: Scheduler;
  readonly #record: SavedRecord<z.infer<typeof recordSchema>>;
  #settings: readonly JobSettings[] = [];
  #timezone = "UTC";

  constructor(options: JobsOptions) {
    const { records, logger } = options;
    this.#options = options;
    this.#scheduler = new Scheduler({ logger, onChange: () => void this.#saveSchedule() });
    this.#record = new SavedRecord({
      records,
      name: "schedule",
      schema: recordSchema,
      empty: { jobs: [] },
    });
  }

  /** Reads again what another daemon may have changed. */
  load(): Promise<void> {
    return this.#record.load();
  }

  /**
   * Replaces all jobs. With `catchUp`, a job whose scheduled time has passed since the last process runs now,
   * unless its schedule was changed.
   *
   * @throws SessiondError `invalid_request` for an invalid schedule; the earlier jobs stay armed
   */
  arm(settings: readonly JobSettings[], timing: Timing, { catchUp }: { catchUp: boolean }): void {
    const jobs = settings.flatMap(({ name, enabled, schedule }): Job[] => {
      const state = this.#state(name);
      const known = catchUp && state?.schedule === schedule && state.timezone === timing.timezone;
      const due = known ? parseDate(state.next_run) : undefined;
      return enabled
        ? [{ name, schedule, due, run: (trigger, at) => this.#options.run(name, trigger, at) }]
        : [];
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

  /** Records a run, and why it failed or was incomplete, if so. */
  async ran(job: JobName, run: LastRun, failure?: string): Promise<void> {
    await this.#update({ [job]: { last_run: run, failure: failure ?? null } });
  }

  lastRun(job: JobName): LastRun | null {
    return this.#state(job)?.last_run ?? null;
  }

  /** The time of the next run; null for a job that is not armed. */
  nextRun(job: JobName): string | null {
    return formatDate(this.#scheduler.next(job));
  }

  /** Why the latest run of a job failed or was incomplete, for each of which it did. */
  get failures(): ReadonlyMap<JobName, string> {
    const { jobs } = this.#record.value;
    return new Map(jobs.flatMap(({ job, failure }) => (failure === null ? [] : [[job, failure]])));
  }

  /** Resolves when the record is saved. */
  idle(): Promise<void> {
    return this.#record.idle();
  }

  /** Lets no further job start. Resolves when none is running. */
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

  /** A change that cannot be saved, such as on a full disk, is still in force until the process ends. */
  async #update(changes: Partial<Record<JobName, Partial<JobState>>>): Promise<void> {
    const changed = (before: readonly JobState[]) =>
      jobNames.flatMap((job): JobState[] => {
        const known = before.find((state) => state.job === job);
        const change = changes[job];
        return known === undefined && change === undefined ? [] : [{ ...unknown, ...known, ...change, job }];
      });
    try {
      await this.#record.change(({ jobs }) => ({ jobs: changed(jobs) }));
    } catch (error) {
      this.#options.logger.warn({ err: error }, "cannot save the record of the cleanup jobs");
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
