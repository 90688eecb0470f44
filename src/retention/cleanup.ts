/**
 * Cleanup as a whole: passes on request and on schedule, approvals, history and health.
 *
 * The room retention/ owns which sessions are removed, when and why: policies, passes, schedules,
 * approvals, history. It does not know where sessions are kept.
 */
import { KeyedQueue } from "../async/keyed-queue.ts";
import {
  type CleanupResult,
  type HealthProblem,
  type HistoryPage,
  type JobName,
  jobNames,
  type ScheduleEntry,
} from "../contract/replies.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { BootTime } from "../time/boot-time.ts";
import { approvedPlan, type HeldPlan } from "./approvals.ts";
import { cleanupHealth, historyProblems, subject } from "./health.ts";
import { appendHistory, type HistoryQuery, readHistory } from "./history.ts";
import { type JobSettings, Jobs } from "./jobs.ts";
import type { CleanupOptions, TrashOptions } from "./options.ts";
import { runPass } from "./pass.ts";
import { Permits } from "./permits.ts";
import { addHeld, countDue, planSessions } from "./plan-sessions.ts";
import { describePolicy, type Policy, type TrashPolicy } from "./policy.ts";
import { type CleanupRequest, configuredJob, jobSettings, requestedPolicy } from "./request.ts";
import { runScheduled } from "./scheduled-run.ts";
import { approvedTrash, planTrash, runTrashPass } from "./trash-pass.ts";

/** The part of a store that cleanup uses. */
export type CleanupStore = Pick<
  SessionStore,
  | "availability"
  | "candidates"
  | "clock"
  | "emptyTrash"
  | "leases"
  | "list"
  | "listTrash"
  | "records"
  | "remove"
  | "removalsAtOnce"
  | "slots"
  | "summary"
>;

export interface CleanupDependencies {
  store: CleanupStore;
  cleanup: CleanupOptions;
  trash: TrashOptions;
  bootTime: BootTime;
  logger: Logger;
}

/**
 * Removes sessions by policy, on request and, once started, on schedule. Only one pass runs at a time, so
 * that no two passes decide about the same sessions.
 */
export class Cleanup {
  readonly #store: CleanupStore;
  readonly #logger: Logger;
  readonly #permits: Permits;
  readonly #jobs: Jobs;
  readonly #passes = new KeyedQueue();
  readonly #stopping = new AbortController();
  #cleanup: CleanupOptions;
  #trash: TrashOptions;
  #started = false;
  #unsubscribe: (() => void) | undefined;

  /** The most entries that one reading of the history had to leave out. */
  #unreadableHistory = 0;

  constructor({ store, cleanup, trash, bootTime, logger }: CleanupDependencies) {
    this.#store = store;
    this.#logger = logger;
    this.#cleanup = cleanup;
    this.#trash = trash;
    const { records, clock } = store;
    this.#permits = new Permits({ records, clock, bootTime, logger });
    this.#jobs = new Jobs({
      records,
      logger,
      run: (job, trigger, due) =>
        runScheduled(job, trigger, due, {
          store,
          jobs: this.#jobs,
          onMissed: () => this.#cleanup.onMissed,
          stopping: this.#stopping.signal,
          run: (signal) => this.#run({ policy: job, trigger }, signal),
          logger,
        }),
    });
  }

  /**
   * Runs a job. Resolves when the pass has ended.
   *
   * @throws SessiondError `invalid_request`; `approval_required` if the approved plan does not exist;
   * `shutting_down`
   */
  run(request: CleanupRequest): Promise<CleanupResult> {
    return this.#run(request, this.#stopping.signal);
  }

  /** The pass ends before its next removal when the signal is aborted. */
  async #run(request: CleanupRequest, signal: AbortSignal): Promise<CleanupResult> {
    const policy = requestedPolicy(request, this.#cleanup, this.#trash);
    return this.#alone(async () => {
      const result = await (policy.name === "trash"
        ? this.#trashPass(policy, request)
        : this.#sessionsPass(policy, request, signal));
      this.#log(result);
      // The daemon that has taken a run over says what became of it.
      const isTakenOver = signal.aborted && !this.#stopping.signal.aborted;
      if (!result.dry_run && !isTakenOver) await this.#ran(result);
      return result;
    });
  }

  async #sessionsPass(policy: Policy, request: CleanupRequest, signal: AbortSignal): Promise<CleanupResult> {
    const store = this.#store;
    const { plan, sessions } = await planSessions(store, policy);
    const permitted = await this.#permits.permit(request, plan, this.#cleanup, async (held, fresh) => {
      await addHeld(store, held, sessions);
      return approvedPlan(held, fresh, sessions);
    });
    return runPass({
      store,
      ...permitted,
      signal,
      clock: store.clock,
      record: (entries) => appendHistory(store.records, entries),
    });
  }

  /** How many sessions each job would remove now. */
  async #due(): Promise<ReadonlyMap<JobName, number>> {
    const due = new Map<JobName, number>();
    for (const job of jobNames)
      due.set(job, await countDue(this.#store, configuredJob(job, this.#cleanup, this.#trash)));
    return due;
  }

  async #trashPass(policy: TrashPolicy, request: CleanupRequest): Promise<CleanupResult> {
    const { clock } = this.#store;
    const { entries } = await this.#store.listTrash();
    const planned = planTrash(entries, policy, clock.now());
    const permitted = await this.#permits.permit(request, planned, this.#cleanup, approvedTrash);
    return runTrashPass({ store: this.#store, ...permitted, clock });
  }

  async #ran(result: CleanupResult): Promise<void> {
    const { policy: name, rule, trigger, started_time: time, outcome, removed, kept, duration_ms } = result;
    if (outcome === "done") {
      const isSettled = (held: HeldPlan) => held.policy === name && held.rule === rule;
      await this.#permits.drop(isSettled, "cannot delete a waiting plan that is no longer needed");
    }
    const failure =
      result.failures[0]?.message ?? (outcome === "stopped" ? result.warnings.at(-1) : undefined);
    await this.#jobs.ran(name, { time, trigger, outcome, removed, kept, duration_ms }, failure);
  }

  /**
   * Throws if the clock was set and nobody has approved a plan of this job since: then nothing may be removed
   * by its age.
   *
   * @throws SessiondError `approval_required`
   */
  async assertAgesKnown(job: JobName): Promise<void> {
    await this.#load();
    this.#permits.assertAgesKnown(job);
  }

  /**
   * Starts the schedules and the runs that were missed. Resolves before these runs have ended. While storage
   * is away nothing is due: then the schedules start when it is back. `tell` gets the jobs once they have.
   */
  async start(tell: (jobs: ScheduleEntry[]) => void = () => {}): Promise<void> {
    // All daemons that live look at once: so a database whose clock is off is noticed when it takes over.
    this.#unsubscribe ??= this.#store.availability.onBack(() => void this.#lookAgain());
    try {
      await this.#load();
    } catch (error) {
      if (!isSessiondError(error, "storage_unavailable")) throw error;
      void this.#startLater(tell);
      return;
    }
    await this.#dropOutdated();
    this.#jobs.arm(this.#settings(), this.#cleanup, { catchUp: true });
    this.#started = true;
    await this.#jobs.idle();
    tell(this.#schedules());
  }

  async #startLater(tell: (jobs: ScheduleEntry[]) => void): Promise<void> {
    try {
      await this.#store.availability.back(this.#stopping.signal);
      await this.start(tell);
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#logger.error({ err: error }, "cannot start the cleanup jobs");
    }
  }

  async #lookAgain(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      this.#logger.debug({ err: error }, "cannot read the records of cleanup; the next pass tries again");
    }
  }

  async #unlessAway(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!isSessiondError(error, "storage_unavailable")) throw error;
    }
  }

  /** Lets no further pass start, stops the running one before its next removal, and waits for its end. */
  async stop(): Promise<void> {
    this.#stopping.abort(shuttingDown());
    this.#unsubscribe?.();
    // First, so that a scheduled pass that ends early counts as missed and runs again at the next start.
    await this.#jobs.stop();
    await this.#passes.idle();
    await this.#jobs.idle();
  }

  /**
   * Applies new options. A running pass ends under the old ones. Waiting plans of another rule than the new
   * one are deleted.
   *
   * @throws SessiondError `invalid_request` for an invalid schedule; the old options stay in force
   */
  async configure(cleanup: CleanupOptions, trash: TrashOptions): Promise<void> {
    await this.#unlessAway(this.#load());
    if (this.#started) this.#jobs.arm(this.#settings(cleanup, trash), cleanup, { catchUp: false });
    this.#cleanup = cleanup;
    this.#trash = trash;
    await this.#dropOutdated();
    await this.#jobs.idle();
  }

  /** Every job with its last and its next run, and with how much it would remove now, if that is wanted. */
  async schedules({ withDue = false } = {}): Promise<ScheduleEntry[]> {
    await this.#load();
    return this.#schedules(withDue ? await this.#due() : undefined);
  }

  #schedules(due?: ReadonlyMap<JobName, number>): ScheduleEntry[] {
    return this.#settings().map(({ name, ...settings }) => ({
      job: name,
      ...settings,
      ...(due === undefined ? {} : { due: due.get(name) }),
      timezone: this.#cleanup.timezone,
      next_run: this.#jobs.nextRun(name),
      last_run: this.#jobs.lastRun(name),
      waiting: this.#permits.waiting(name),
    }));
  }

  /** The removals, newest first. @throws SessiondError `invalid_request` for a bad cursor */
  history(query: HistoryQuery = {}): Promise<HistoryPage> {
    return readHistory(this.#store.records, query, (count) => {
      if (count > this.#unreadableHistory)
        this.#logger.warn({ entries: count }, "the history of cleanup is damaged");
      this.#unreadableHistory = Math.max(this.#unreadableHistory, count);
    });
  }

  /** The problems that need attention. None is known while storage is away. */
  async health(): Promise<HealthProblem[]> {
    try {
      await this.#load();
      const now = this.#store.clock.now();
      return [
        ...(await cleanupHealth(this.#store, this.#permits.problems(), this.#jobs.failures, now)),
        ...historyProblems(this.#unreadableHistory),
      ];
    } catch (error) {
      if (isSessiondError(error, "storage_unavailable")) return [];
      throw error;
    }
  }

  /** Runs a task when no other pass is running. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    return this.#passes.run("pass", async () => {
      if (this.#stopping.signal.aborted) throw shuttingDown();
      await this.#load();
      return task();
    });
  }

  /** Deletes plans of rules that are no longer configured: a corrected typo must not be approved later. */
  async #dropOutdated(): Promise<void> {
    await this.#permits.drop(
      (held) => held.rule !== describePolicy(configuredJob(held.policy, this.#cleanup, this.#trash)),
      "cannot delete a waiting plan of an earlier configuration",
    );
  }

  #settings(cleanup: CleanupOptions = this.#cleanup, trash: TrashOptions = this.#trash): JobSettings[] {
    return jobNames.map((job) => jobSettings(job, cleanup, trash));
  }

  async #load(): Promise<void> {
    await this.#jobs.load();
    await this.#permits.look();
  }

  /**
   * Reads the clocks, for a later pass to tell whether the system clock was set since. Every pass does so,
   * and {@link start}, {@link schedules} and {@link health}.
   */
  noteClock(): Promise<void> {
    return this.#load();
  }

  #log(result: CleanupResult): void {
    const { decisions: _, failures, ...details } = result;
    const level = result.outcome === "waiting_approval" || result.outcome === "stopped" ? "warn" : "info";
    this.#logger[level](
      { ...details, failures: failures.length },
      `cleanup of ${subject(result.policy)}: ${result.outcome}`,
    );
  }
}

function shuttingDown(): SessiondError {
  return new SessiondError("shutting_down", "sessiond is shutting down");
}
