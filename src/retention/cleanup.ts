/**
 * Cleanup as a whole: passes on request and on schedule, approvals, history and health.
 *
 * The room retention/ owns which sessions are removed, when and why: policies, passes, schedules,
 * approvals, history. It does not know where sessions are kept.
 */
import { KeyedQueue } from "../async/keyed-queue.ts";
import { yieldIfDue } from "../async/slices.ts";
import {
  type CleanupResult,
  type HealthProblem,
  type HistoryPage,
  type JobName,
  jobNames,
  type PolicyName,
  type ScheduleEntry,
} from "../contract/replies.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { SessionSummary } from "../session/session.ts";
import type { SessionStore } from "../store/session-store.ts";
import type { BootTime } from "../time/boot-time.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { approvedPlan, type HeldPlan } from "./approvals.ts";
import { cleanupHealth, historyProblems, subject } from "./health.ts";
import { appendHistory, type HistoryQuery, readHistory } from "./history.ts";
import { type JobSettings, Jobs } from "./jobs.ts";
import type { CleanupOptions, TrashOptions } from "./options.ts";
import { runPass } from "./pass.ts";
import { Permits } from "./permits.ts";
import { describePolicy, type IsLeased, type Policy, planInSteps, type TrashPolicy } from "./policy.ts";
import {
  type CleanupRequest,
  configuredJob,
  configuredPolicy,
  jobSettings,
  requestedPolicy,
} from "./request.ts";
import type { ScheduleTrigger } from "./schedule.ts";
import { approvedTrash, planTrash, runTrashPass } from "./trash-pass.ts";

/** The part of a store that cleanup uses. */
export type CleanupStore = Pick<
  SessionStore,
  "summaries" | "leases" | "list" | "remove" | "listTrash" | "emptyTrash" | "records"
>;

export interface CleanupDependencies {
  store: CleanupStore;
  cleanup: CleanupOptions;
  trash: TrashOptions;
  clock: Clock;
  bootTime: BootTime;
  logger: Logger;
}

/**
 * Removes sessions by policy, on request and, once started, on schedule. Only one pass runs at a time, so
 * that no two passes decide about the same sessions.
 */
export class Cleanup {
  readonly #store: CleanupStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #permits: Permits;
  readonly #jobs: Jobs;
  readonly #passes = new KeyedQueue();
  readonly #stopping = new AbortController();
  #cleanup: CleanupOptions;
  #trash: TrashOptions;
  #started = false;

  /** The most entries that one reading of the history had to leave out. */
  #unreadableHistory = 0;

  constructor({ store, cleanup, trash, clock, bootTime, logger }: CleanupDependencies) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#cleanup = cleanup;
    this.#trash = trash;
    this.#permits = new Permits({ records: store.records, clock, bootTime, logger });
    this.#jobs = new Jobs({
      records: store.records,
      logger,
      run: (job, trigger) => this.#runJob(job, trigger),
    });
  }

  /**
   * Runs a job. Resolves when the pass has ended.
   *
   * @throws SessiondError `invalid_request`; `approval_required` if the approved plan does not exist;
   * `shutting_down`
   */
  async run(request: CleanupRequest): Promise<CleanupResult> {
    const policy = requestedPolicy(request, this.#cleanup, this.#trash);
    return this.#alone(async () => {
      const result = await (policy.name === "trash"
        ? this.#trashPass(policy, request)
        : this.#sessionsPass(policy, request));
      this.#log(result);
      if (!result.dry_run) await this.#ran(result);
      return result;
    });
  }

  async #sessionsPass(policy: Policy, request: CleanupRequest): Promise<CleanupResult> {
    const sessions = await allSummaries(this.#store);
    const steps = planInSteps(sessions, policy, this.#clock.now(), await this.#leased());
    const planned = await inSlices(steps);
    const permitted = await this.#permits.permit(request, planned, this.#cleanup, (held, fresh) =>
      approvedPlan(held, fresh, sessions),
    );
    return runPass({
      store: this.#store,
      ...permitted,
      signal: this.#stopping.signal,
      clock: this.#clock,
      record: (entries) => appendHistory(this.#store.records, entries),
    });
  }

  /** How many sessions each job would remove now. */
  async #due(): Promise<Record<JobName, number>> {
    const [sessions, now] = [await allSummaries(this.#store), this.#clock.now()];
    const leased = await this.#leased();
    const count = async (name: PolicyName) => {
      const steps = planInSteps(sessions, configuredPolicy(name, this.#cleanup), now, leased);
      return (await inSlices(steps)).removals.length;
    };
    const { entries } = await this.#store.listTrash();
    const trash = planTrash(entries, { name: "trash", ...this.#trash }, now).removals.length;
    return {
      completed: await count("completed"),
      expired: await count("expired"),
      failed: await count("failed"),
      trash,
    };
  }

  async #leased(): Promise<IsLeased> {
    const leased = new Set((await this.#store.leases.all()).map((lease) => lease.session_id));
    return (id) => leased.has(id);
  }

  async #trashPass(policy: TrashPolicy, request: CleanupRequest): Promise<CleanupResult> {
    const { entries } = await this.#store.listTrash();
    const planned = planTrash(entries, policy, this.#clock.now());
    const permitted = await this.#permits.permit(request, planned, this.#cleanup, approvedTrash);
    return runTrashPass({ store: this.#store, ...permitted, clock: this.#clock });
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

  /** Starts the schedules and the runs that were missed. Resolves before these runs have ended. */
  async start(): Promise<void> {
    await this.#load();
    await this.#dropOutdated();
    this.#jobs.arm(this.#settings(), this.#cleanup, { catchUp: true });
    this.#started = true;
    await this.#jobs.idle();
  }

  /** Lets no further pass start, stops the running one before its next removal, and waits for its end. */
  async stop(): Promise<void> {
    this.#stopping.abort();
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
    await this.#load();
    if (this.#started) this.#jobs.arm(this.#settings(cleanup, trash), cleanup, { catchUp: false });
    this.#cleanup = cleanup;
    this.#trash = trash;
    await this.#dropOutdated();
    await this.#jobs.idle();
  }

  /** Every job with its last and its next run, and with how much it would remove now, if that is wanted. */
  async schedules({ withDue = false } = {}): Promise<ScheduleEntry[]> {
    await this.#load();
    const due = withDue ? await this.#due() : undefined;
    return this.#settings().map(({ name, ...settings }) => ({
      job: name,
      ...settings,
      ...(due === undefined ? {} : { due: due[name] }),
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

  /** The problems that need attention. */
  async health(): Promise<HealthProblem[]> {
    await this.#load();
    return [
      ...(await cleanupHealth(this.#store, this.#permits.problems(), this.#jobs.failures, this.#clock.now())),
      ...historyProblems(this.#unreadableHistory),
    ];
  }

  /** Runs a task when no other pass is running. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    return this.#passes.run("pass", async () => {
      if (this.#stopping.signal.aborted)
        throw new SessiondError("shutting_down", "sessiond is shutting down");
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

  async #runJob(job: JobName, trigger: ScheduleTrigger): Promise<void> {
    const time = formatTimestamp(this.#clock.now());
    const startedAt = performance.now();
    try {
      await this.run({ policy: job, trigger });
    } catch (error) {
      if (isSessiondError(error, "shutting_down")) return;
      this.#logger.error({ err: error, job, trigger }, `cleanup job ${job} failed`);
      const duration_ms = Math.round(performance.now() - startedAt);
      const run = { time, trigger, outcome: "failed", removed: 0, kept: 0, duration_ms };
      await this.#jobs.ran(job, run, (error as Error).message);
    }
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

export async function allSummaries(store: Pick<SessionStore, "summaries">): Promise<SessionSummary[]> {
  const sessions: SessionSummary[] = [];
  for await (const slice of store.summaries()) for (const session of slice) sessions.push(session);
  return sessions;
}

async function inSlices<T>(steps: Generator<undefined, T>): Promise<T> {
  let step = steps.next();
  while (!step.done) {
    await yieldIfDue();
    step = steps.next();
  }
  return step.value;
}
