/** One run of a job that is due: whose turn it is, and what becomes of it if it fails or is cut off. */
import type { CleanupResult, JobName } from "../contract/replies.ts";
import { isSessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { SessionStore } from "../store/session-store.ts";
import { formatTimestamp } from "../time/clock.ts";
import type { Jobs } from "./jobs.ts";
import { isMissed, type ScheduleTrigger, type Timing } from "./schedule.ts";
import { type TurnEnd, takeTurn } from "./slot-turn.ts";

export interface ScheduledRunOptions {
  store: Pick<SessionStore, "slots" | "availability" | "clock">;
  jobs: Pick<Jobs, "ran">;
  onMissed(): Timing["onMissed"];
  /** Aborted when this daemon stops. */
  stopping: AbortSignal;
  /** Runs the job. The pass ends before its next removal when the signal is aborted. */
  run(signal: AbortSignal): Promise<CleanupResult>;
  logger: Logger;
}

/** Resolves when the job has run, on whatever daemon, or when this one stops. Never rejects. */
export async function runScheduled(
  job: JobName,
  trigger: ScheduleTrigger,
  due: Date,
  options: ScheduledRunOptions,
): Promise<void> {
  const { store, onMissed, stopping, logger } = options;
  try {
    await takeTurn({
      store,
      job,
      due,
      isTooLate: () => onMissed() === "skip" && isMissed(due),
      stopping,
      run: (lost) => runTurn(job, trigger, lost, options),
      logger,
    });
  } catch (error) {
    logger.error({ err: error, job, trigger }, `cannot tell whether the cleanup job ${job} has run`);
  }
}

/** @throws SessiondError `storage_unavailable` */
async function runTurn(
  job: JobName,
  trigger: ScheduleTrigger,
  lost: AbortSignal,
  { store, jobs, stopping, run, logger }: ScheduledRunOptions,
): Promise<TurnEnd> {
  const time = formatTimestamp(store.clock.now());
  const startedAt = performance.now();
  const signal = AbortSignal.any([lost, stopping]);
  try {
    const { failures } = await run(signal);
    const isAway = failures.some(({ code }) => code === "storage_unavailable");
    return signal.aborted || isAway ? "interrupted" : "done";
  } catch (error) {
    if (isSessiondError(error, "shutting_down")) return "interrupted";
    if (isSessiondError(error, "storage_unavailable")) throw error;
    logger.error({ err: error, job, trigger }, `cleanup job ${job} failed`);
    const duration_ms = Math.round(performance.now() - startedAt);
    const failed = { time, trigger, outcome: "failed", removed: 0, kept: 0, duration_ms };
    await jobs.ran(job, failed, (error as Error).message);
    return "done";
  }
}
