/**
 * Runs jobs by cron expressions, which node-cron reads. A run that was missed (the daemon was stopped, the
 * machine suspended, or the clock changed) is made up for once, and stopping waits for running jobs.
 */
import cron, { type ScheduledTask } from "node-cron";
import { SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";

const fields = [
  ["minute", "0-59"],
  ["hour", "0-23"],
  ["dayOfMonth", "1-31"],
  ["month", "1-12 or jan-dec"],
  ["dayOfWeek", "0-7 or sun-sat"],
] as const;
const fieldWords: Readonly<Record<string, string>> = {
  dayOfMonth: "day of month",
  dayOfWeek: "day of week",
};
const fiveFields = 'minute, hour, day of month, month and day of week, such as "0 3 * * *"';

/**
 * Checks a cron expression; returns undefined if it is valid. It has the five fields of crontab(5). Unlike
 * there, if day of month and day of week are both restricted, both must match.
 */
export function cronProblem(expression: string): string | undefined {
  const count = expression.trim() === "" ? 0 : expression.trim().split(/\s+/).length;
  if (count === 6) {
    return `"${expression}" has six fields: seconds are not supported; write ${fiveFields}`;
  }
  if (count !== fields.length) {
    return `"${expression}" has ${count} ${count === 1 ? "field" : "fields"}: write ${fiveFields}`;
  }
  const { valid, errors } = cron.validateDetailed(expression);
  if (!valid) {
    return errors
      .map(({ field, value }) => {
        const range = fields.find(([name]) => name === field)?.[1];
        return range === undefined
          ? `"${expression}" contains characters that a cron expression cannot have`
          : `${fieldWords[field] ?? field} "${value}" is not valid (${range})`;
      })
      .join("; ");
  }
  return everMatches(expression) ? undefined : `"${expression}" never matches a date`;
}

function everMatches(expression: string): boolean {
  const task = cron.createTask(expression, () => {}, { timezone: "UTC" });
  try {
    return task.getNextRuns(1).length === 1;
  } catch {
    return false;
  } finally {
    void task.destroy();
  }
}

export type ScheduleTrigger = "schedule" | "catch_up";

export interface Job {
  readonly name: string;
  /** A cron expression. */
  readonly schedule: string;
  /** The scheduled time whose run an earlier process has not completed, if there is one. */
  readonly due?: Date | undefined;
  /** Runs what was due at this time. Must not reject. */
  run(trigger: ScheduleTrigger, due: Date): Promise<void>;
}

export interface SchedulerOptions {
  logger: Logger;
  /** Called when {@link Scheduler.due} may have changed, until the scheduler is stopped. */
  onChange(): void;
}

export interface Timing {
  timezone: string;
  onMissed: "run_once" | "skip";
}

interface Armed {
  readonly job: Job;
  /**
   * Computes times only, and is never started: when the clock was set forward, the timer of node-cron goes
   * through every scheduled time in between, without a break. With years in between that takes hours.
   */
  readonly task: ScheduledTask;
  next: Date;
  timer: NodeJS.Timeout | undefined;
}

const jumpCheckMs = 2000;
const jumpMs = 2000;
const minuteMs = 60_000;
/** A run that is later than this counts as missed. A shorter delay means that the process was busy. */
const lateMs = minuteMs;
/** A timer cannot wait for more than 24.8 days. */
const longestWaitMs = 86_400_000;

/**
 * Runs jobs at their scheduled times, by the system clock. A job never overlaps itself. Timers do not keep
 * the process alive.
 */
export class Scheduler {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #armed = new Map<string, Armed>();
  readonly #running = new Map<string, { scheduled: Date; ended: Promise<void> }>();
  #timing: Timing = { timezone: "UTC", onMissed: "run_once" };
  #jumpCheck: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ logger, onChange }: SchedulerOptions) {
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /**
   * Replaces all jobs. A running job goes on.
   *
   * @throws SessiondError `invalid_request` for an invalid schedule or time zone; the earlier jobs stay armed
   */
  arm(jobs: readonly Job[], timing: Timing): void {
    if (this.#stopped) return;
    const fresh: Armed[] = [];
    try {
      for (const job of jobs) fresh.push(armedJob(job, timing.timezone));
    } catch (error) {
      for (const { task } of fresh) void task.destroy();
      throw error;
    }
    this.#disarm();
    this.#timing = timing;
    for (const armed of fresh) {
      this.#armed.set(armed.job.name, armed);
      this.#wait(armed);
    }
    this.#jumpCheck ??= watchClock((driftMs) => this.#clockJumped(driftMs));
    const now = Date.now();
    for (const { job } of fresh) {
      if (job.due !== undefined && job.due.getTime() <= now) this.#missed(job, job.due);
    }
    this.#onChange();
  }

  /** The next scheduled time of a job; null if it is not armed. */
  next(name: string): Date | null {
    return this.#armed.get(name)?.next ?? null;
  }

  /** The earliest scheduled time whose run has not ended: that of the running job, else the next. */
  due(name: string): Date | null {
    return this.#armed.has(name) ? (this.#running.get(name)?.scheduled ?? this.next(name)) : null;
  }

  /** Lets no further job start. Resolves when none is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#jumpCheck);
    this.#disarm();
    await Promise.all([...this.#running.values()].map((run) => run.ended));
  }

  #disarm(): void {
    for (const { task, timer } of this.#armed.values()) {
      clearTimeout(timer);
      void task.destroy();
    }
    this.#armed.clear();
  }

  #wait(armed: Armed): void {
    const delayMs = Math.min(Math.max(armed.next.getTime() - Date.now(), 0), longestWaitMs);
    armed.timer = setTimeout(() => this.#wake(armed), delayMs).unref();
  }

  #wake(armed: Armed): void {
    const { job, task, next } = armed;
    const now = Date.now();
    if (now < next.getTime()) {
      this.#wait(armed);
      return;
    }
    // However late it is, only the last scheduled time counts.
    const thisMinute = new Date(Math.floor(now / minuteMs) * minuteMs);
    const scheduled = task.match(thisMinute) ? thisMinute : next;
    armed.next = nextOf(task);
    this.#wait(armed);
    if (isMissed(scheduled)) this.#missed(job, scheduled);
    else this.#run(job, scheduled, "schedule");
  }

  #missed(job: Job, scheduled: Date): void {
    const { onMissed } = this.#timing;
    this.#logger.info(
      { job: job.name, scheduled: scheduled.toISOString() },
      onMissed === "run_once"
        ? "a scheduled run was missed: running the job now"
        : "a scheduled run was missed: skipped",
    );
    if (onMissed === "run_once") this.#run(job, scheduled, "catch_up");
    else this.#onChange();
  }

  #run(job: Job, scheduled: Date, trigger: ScheduleTrigger): void {
    if (this.#running.has(job.name)) {
      this.#logger.warn(
        { job: job.name, scheduled: scheduled.toISOString() },
        "the job is still running: this scheduled run is skipped",
      );
      return;
    }
    const ended = job.run(trigger, scheduled).finally(() => {
      this.#running.delete(job.name);
      if (!this.#stopped) this.#onChange();
    });
    this.#running.set(job.name, { scheduled, ended });
  }

  /** The timers wait for as long as they were to wait before the clock was set. */
  #clockJumped(driftMs: number): void {
    this.#logger.warn(
      { drift_ms: Math.round(driftMs) },
      "the system clock was changed: computing the schedules again",
    );
    this.arm(
      [...this.#armed.values()].map(({ job, next }) => ({ ...job, due: next })),
      this.#timing,
    );
  }
}

/** Whether it is too late now for a run at its scheduled time. */
export function isMissed(scheduled: Date): boolean {
  return Date.now() - scheduled.getTime() > lateMs;
}

/** @throws SessiondError `invalid_request` */
function armedJob(job: Job, timezone: string): Armed {
  try {
    // Checked here, because a task of node-cron with a bad time zone cannot be destroyed.
    new Intl.DateTimeFormat("en", { timeZone: timezone });
    const task = cron.createTask(job.schedule, () => {}, { timezone });
    try {
      return { job, task, next: nextOf(task), timer: undefined };
    } catch (error) {
      void task.destroy();
      throw error;
    }
  } catch (error) {
    throw new SessiondError(
      "invalid_request",
      `cannot schedule ${job.name} at "${job.schedule}" in ${timezone}: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

/** The first scheduled time after now. */
function nextOf(task: ScheduledTask): Date {
  return task.getNextRuns(1)[0] as Date;
}

/**
 * Compares the system clock with the monotonic one, and reports a jump. Suspending the machine is one too.
 */
function watchClock(onJump: (driftMs: number) => void): NodeJS.Timeout {
  let offset = Date.now() - performance.now();
  const check = setInterval(() => {
    const now = Date.now() - performance.now();
    const drift = now - offset;
    offset = now;
    if (Math.abs(drift) > jumpMs) onJump(drift);
  }, jumpCheckMs);
  return check.unref();
}
