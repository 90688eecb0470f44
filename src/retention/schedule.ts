/**
 * From cron expressions to calls. What node-cron does not do is added here: slots that were missed
 * (a stop, a suspended machine, a clock that was set) are run once, and stopping waits for what runs.
 */
import cron, { type ScheduledTask, type TaskOptions } from "node-cron";
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

/**
 * What is wrong with a cron expression, or undefined if nothing is. It has the five fields of crontab(5);
 * if both days are restricted, both must match.
 */
export function cronProblem(expression: string): string | undefined {
  const count = expression.trim() === "" ? 0 : expression.trim().split(/\s+/).length;
  if (count === 6) {
    return `"${expression}" has six fields: a seconds field is not supported, write minute, hour, day of month, month and day of week`;
  }
  if (count !== fields.length) {
    return `"${expression}" has ${count} field(s): write five, minute, hour, day of month, month and day of week, such as "0 3 * * *"`;
  }
  const { valid, errors } = cron.validateDetailed(expression);
  if (!valid) {
    return errors
      .map(({ field, value }) => {
        const range = fields.find(([name]) => name === field)?.[1];
        return range === undefined
          ? `"${expression}" has characters that cron does not know`
          : `${fieldWords[field] ?? field} "${value}" is not valid (${range})`;
      })
      .join("; ");
  }
  return everMatches(expression) ? undefined : `"${expression}" matches no date`;
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
  /** The slot that an earlier process was still to run, if that is known. */
  readonly due?: Date | undefined;
  /** Must not reject. */
  run(trigger: ScheduleTrigger): Promise<void>;
}

export interface SchedulerOptions {
  logger: Logger;
  /** Called whenever what {@link Scheduler.due} says may have changed, until the scheduler is stopped. */
  onChange(): void;
}

export interface Timing {
  timezone: string;
  onMissed: "run_once" | "skip";
}

interface Armed {
  job: Job;
  task: ScheduledTask;
  next: Date;
}

type CronLogger = NonNullable<TaskOptions["logger"]>;

const jumpCheckMs = 2000;
const jumpMs = 2000;
/** A slot later than this counts as missed. Anything less is a busy process. */
const lateMs = 60_000;

/**
 * Runs jobs at their slots, by the system clock: node-cron knows no other. A job never overlaps itself; its
 * timers do not keep the process alive.
 */
export class Scheduler {
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #armed = new Map<string, Armed>();
  readonly #running = new Map<string, { slot: Date; settled: Promise<void> }>();
  #timing: Timing = { timezone: "UTC", onMissed: "run_once" };
  #jumpCheck: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor({ logger, onChange }: SchedulerOptions) {
    this.#logger = logger;
    this.#onChange = onChange;
  }

  /**
   * Replaces all jobs; what is running goes on.
   *
   * @throws SessiondError `invalid_request` for a schedule or time zone that is not valid; the jobs stay as they were
   */
  arm(jobs: readonly Job[], timing: Timing): void {
    if (this.#stopped) return;
    const fresh: Armed[] = [];
    try {
      for (const job of jobs) fresh.push(this.#armJob(job, timing.timezone));
    } catch (error) {
      for (const { task } of fresh) void task.destroy();
      throw error;
    }
    this.#disarm();
    this.#timing = timing;
    for (const armed of fresh) this.#armed.set(armed.job.name, armed);
    this.#jumpCheck ??= watchClock((driftMs) => this.#clockJumped(driftMs));
    const now = Date.now();
    for (const { job } of fresh) {
      if (job.due !== undefined && job.due.getTime() <= now) this.#missed(job, job.due);
    }
    this.#onChange();
  }

  /** The next slot of a job, or null if it is not armed. */
  next(name: string): Date | null {
    return this.#armed.get(name)?.next ?? null;
  }

  /** The earliest slot that is not carried out to its end: of the run under way, else the next. */
  due(name: string): Date | null {
    return this.#armed.has(name) ? (this.#running.get(name)?.slot ?? this.next(name)) : null;
  }

  /** No job starts any more; resolves when none runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#jumpCheck);
    this.#disarm();
    await Promise.all([...this.#running.values()].map((run) => run.settled));
  }

  #armJob(job: Job, timezone: string): Armed {
    try {
      // node-cron finds a bad time zone too late: such a task can be neither started nor destroyed.
      new Intl.DateTimeFormat("en", { timeZone: timezone });
      const task = cron.createTask(job.schedule, (context) => this.#fire(job.name, context.date), {
        timezone,
        noOverlap: true,
        unref: true,
        logger: adapter(this.#logger),
        // However late a timer is, its last slot comes through, once; the ones before it are not worth a word each.
        missedExecutionTolerance: Number.POSITIVE_INFINITY,
        suppressMissedWarning: true,
      });
      try {
        void task.start();
        return { job, task, next: nextOf(task) };
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

  #disarm(): void {
    for (const { task } of this.#armed.values()) void task.destroy();
    this.#armed.clear();
  }

  async #fire(name: string, slot: Date): Promise<void> {
    const armed = this.#armed.get(name);
    if (armed === undefined) return;
    armed.next = nextOf(armed.task);
    if (Date.now() - slot.getTime() > lateMs) this.#missed(armed.job, slot);
    else this.#run(armed.job, slot, "schedule");
    await this.#running.get(name)?.settled;
  }

  #missed(job: Job, slot: Date): void {
    const { onMissed } = this.#timing;
    this.#logger.info(
      { job: job.name, slot: slot.toISOString() },
      onMissed === "run_once" ? "missed run: running once now" : "missed run: skipped",
    );
    if (onMissed === "run_once") this.#run(job, slot, "catch_up");
    else this.#onChange();
  }

  #run(job: Job, slot: Date, trigger: ScheduleTrigger): void {
    if (this.#running.has(job.name)) {
      this.#logger.warn({ job: job.name, slot: slot.toISOString() }, "still running: this slot is left out");
      return;
    }
    const settled = job.run(trigger).finally(() => {
      this.#running.delete(job.name);
      if (!this.#stopped) this.#onChange();
    });
    this.#running.set(job.name, { slot, settled });
  }

  /** node-cron would go through every slot of a jump forward, and wait out a jump backward. */
  #clockJumped(driftMs: number): void {
    this.#logger.warn({ drift_ms: Math.round(driftMs) }, "the system clock was set: schedules start anew");
    this.arm(
      [...this.#armed.values()].map(({ job, next }) => ({ ...job, due: next })),
      this.#timing,
    );
  }
}

/** Only null before a task is started. */
function nextOf(task: ScheduledTask): Date {
  return task.getNextRun() as Date;
}

/** Compares the clock that can be set with the one that cannot. Suspending the machine counts as a jump too. */
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

/** Without one, node-cron writes to the console, in color. */
function adapter(logger: Logger): CronLogger {
  const text = (message: string | Error) => (message instanceof Error ? message.message : message);
  return {
    debug: (message) => logger.debug(text(message)),
    info: (message) => logger.info(message),
    warn: (message) => logger.warn(message),
    error: (message, error) =>
      logger.error({ err: message instanceof Error ? message : error }, text(message)),
  };
}
