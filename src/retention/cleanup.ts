/**
 * Cleanup as a whole: passes on request and on schedule, approvals, history and health.
 *
 * The room retention/ owns which sessions are removed, when and why: policies, passes, schedules,
 * approvals, history. It does not know where sessions are kept.
 */
import { KeyedQueue } from "../async/keyed-queue.ts";
import { yieldIfDue } from "../async/slices.ts";
import type { CleanupResult, HealthProblem, HistoryPage, ScheduleEntry } from "../contract/replies.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { SessionSummary } from "../session/session.ts";
import type { SessionStore } from "../store/session-store.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { Approvals } from "./approvals.ts";
import { cleanupHealth } from "./health.ts";
import { appendHistory, type HistoryQuery, readHistory } from "./history.ts";
import { type JobName, type JobSettings, Jobs, jobNames } from "./jobs.ts";
import { overLimit } from "./limits.ts";
import type { CleanupOptions, TrashOptions } from "./options.ts";
import { runPass } from "./pass.ts";
import { describePolicy, planInSteps } from "./policy.ts";
import { type CleanupRequest, configuredPolicy, jobSettings, requestedPolicy } from "./request.ts";
import type { ScheduleTrigger } from "./schedule.ts";
import { emptyTrash } from "./trash-job.ts";

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
  readonly #approvals: Approvals;
  readonly #jobs: Jobs;
  readonly #passes = new KeyedQueue();
  readonly #stopping = new AbortController();
  #cleanup: CleanupOptions;
  #trash: TrashOptions;
  #started = false;

  constructor({ store, cleanup, trash, clock, logger }: CleanupDependencies) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#cleanup = cleanup;
    this.#trash = trash;
    this.#approvals = new Approvals(store.records);
    this.#jobs = new Jobs({
      records: store.records,
      logger,
      run: (job, trigger) => this.#runJob(job, trigger),
    });
  }

  /**
   * Runs a policy. Resolves when the pass has ended.
   *
   * @throws SessiondError `invalid_request`; `approval_required` if the approved plan does not exist;
   * `shutting_down`
   */
  async run(request: CleanupRequest): Promise<CleanupResult> {
    const policy = requestedPolicy(request, this.#cleanup);
    return this.#alone(async () => {
      const { trigger, dryRun = false, approve } = request;
      const name = policy.name;
      const rule = describePolicy(policy);
      const sessions = await allSummaries(this.#store);
      const leased = new Set((await this.#store.leases.all()).map((lease) => lease.session_id));
      const steps = planInSteps(sessions, policy, this.#clock.now(), (id) => leased.has(id));
      const fresh = await inSlices(steps);
      const chosen = approve === undefined ? fresh : this.#approvals.approved(approve, fresh, sessions);
      const limited = trigger !== "request" && approve === undefined && !dryRun;
      const hold = limited ? overLimit(chosen, this.#cleanup) : undefined;
      if (hold !== undefined) {
        const now = formatTimestamp(this.#clock.now());
        await this.#attempt(
          this.#approvals.hold(chosen, hold, now),
          "cannot save the plan that waits for approval",
        );
      } else if (approve !== undefined && !dryRun) {
        // Before the first removal, so that an approval is good for one pass only.
        await this.#approvals.drop((held) => held.plan_id === approve);
      }
      const result = await runPass({
        store: this.#store,
        plan: chosen,
        trigger,
        dryRun,
        hold,
        signal: this.#stopping.signal,
        clock: this.#clock,
        record: (entries) => appendHistory(this.#store.records, entries),
      });
      this.#log(result);
      if (dryRun) return result;
      if (result.outcome === "done") {
        const dropped = this.#approvals.drop((held) => held.policy === name && held.rule === rule);
        await this.#attempt(dropped, "cannot delete a waiting plan that is no longer needed");
      }
      const { started_time: time, outcome, removed, kept, duration_ms } = result;
      const failure =
        result.failures[0]?.message ?? (outcome === "stopped" ? result.warnings.at(-1) : undefined);
      await this.#jobs.ran(name, { time, trigger, outcome, removed, kept, duration_ms }, failure);
      return result;
    });
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

  /** Every job with its last and its next run. */
  async schedules(): Promise<ScheduleEntry[]> {
    await this.#load();
    return this.#settings().map(({ name, ...settings }) => ({
      job: name,
      ...settings,
      timezone: this.#cleanup.timezone,
      next_run: this.#jobs.nextRun(name),
      last_run: this.#jobs.lastRun(name),
      waiting: this.#approvals.waiting(name),
    }));
  }

  /** The removals, newest first. @throws SessiondError `invalid_request` for a bad cursor */
  history(query: HistoryQuery = {}): Promise<HistoryPage> {
    return readHistory(this.#store.records, query);
  }

  /** The problems that need attention. */
  health(): Promise<HealthProblem[]> {
    return cleanupHealth(this.#store, this.#approvals.all(), this.#jobs.failures, this.#clock.now());
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
    const dropped = this.#approvals.drop(
      (held) => held.rule !== describePolicy(configuredPolicy(held.policy, this.#cleanup)),
    );
    await this.#attempt(dropped, "cannot delete a waiting plan of an earlier configuration");
  }

  async #runJob(job: JobName, trigger: ScheduleTrigger): Promise<void> {
    const time = formatTimestamp(this.#clock.now());
    const startedAt = performance.now();
    try {
      if (job === "trash") await this.#alone(() => this.#runTrashJob(trigger));
      else await this.run({ policy: job, trigger });
    } catch (error) {
      if (isSessiondError(error, "shutting_down")) return;
      this.#logger.error({ err: error, job, trigger }, `cleanup job ${job} failed`);
      const duration_ms = Math.round(performance.now() - startedAt);
      const run = { time, trigger, outcome: "failed", removed: 0, kept: 0, duration_ms };
      await this.#jobs.ran(job, run, (error as Error).message);
    }
  }

  async #runTrashJob(trigger: ScheduleTrigger): Promise<void> {
    const { rule } = jobSettings("trash", this.#cleanup, this.#trash);
    const run = await emptyTrash({
      store: this.#store,
      retentionMs: this.#trash.retentionMs,
      rule,
      trigger,
      clock: this.#clock,
    });
    this.#logger.info({ job: "trash", ...run }, `cleanup of the trash: ${run.outcome}`);
    await this.#jobs.ran("trash", run);
  }

  #settings(cleanup: CleanupOptions = this.#cleanup, trash: TrashOptions = this.#trash): JobSettings[] {
    return jobNames.map((job) => jobSettings(job, cleanup, trash));
  }

  async #load(): Promise<void> {
    await Promise.all([this.#jobs.load(), this.#approvals.load()]);
  }

  /**
   * Saves information that is only shown later. A failure, such as a full disk, does not stop the cleanup.
   */
  async #attempt(saving: Promise<void>, problem: string): Promise<void> {
    try {
      await saving;
    } catch (error) {
      this.#logger.warn({ err: error }, problem);
    }
  }

  #log(result: CleanupResult): void {
    const { decisions: _, failures, ...details } = result;
    const level = result.outcome === "waiting_approval" || result.outcome === "stopped" ? "warn" : "info";
    this.#logger[level](
      { ...details, failures: failures.length },
      `cleanup of ${result.policy} sessions: ${result.outcome}`,
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
