/**
 * When it is this daemon's turn to run a job that is due. Of all daemons of a store one runs it; the others
 * wait until it has, in case its daemon goes away.
 */
import type { JobName } from "../contract/replies.ts";
import { isSessiondError } from "../error.ts";
import type { Logger } from "../log.ts";
import type { SessionStore, Slot } from "../store/session-store.ts";
import { microsPerMs } from "../time/clock.ts";

/** What became of a turn: whether all is done that was to do. */
export type TurnEnd = "done" | "interrupted";

export interface SlotTurnOptions {
  store: Pick<SessionStore, "slots" | "availability">;
  job: JobName;
  /** The scheduled time. */
  due: Date;
  /** Whether the run is too late now, and is to be skipped. Asked after each time that storage was away. */
  isTooLate(): boolean;
  /** Aborted when this daemon stops. */
  stopping: AbortSignal;
  /** Runs the job, until `lost` is aborted at the latest. */
  run(lost: AbortSignal): Promise<TurnEnd>;
  logger: Logger;
}

/** Resolves when the job has run, here or elsewhere, or when this daemon stops. */
export async function takeTurn(options: SlotTurnOptions): Promise<void> {
  const { store, stopping, isTooLate, job, due, logger } = options;
  while (!stopping.aborted) {
    try {
      if (await tryTurn(options)) return;
    } catch (error) {
      if (stopping.aborted) return;
      if (!isSessiondError(error, "storage_unavailable")) throw error;
      await store.availability.back(stopping).catch(() => {});
      if (!stopping.aborted && isTooLate()) {
        logger.info({ job, scheduled: due.toISOString() }, "a scheduled run was missed: skipped");
        return;
      }
    }
  }
}

/** Resolves with whether nothing is left to do for this slot. */
async function tryTurn({ store, job, due, stopping, run, logger }: SlotTurnOptions): Promise<boolean> {
  const answer = await store.slots.take(job, due.getTime() * microsPerMs);
  if (answer.state === "ended") return true;
  if (answer.state === "busy") {
    await waitFor(answer.askAgainMs, stopping);
    return false;
  }
  const { slot } = answer;
  if (slot.wasBegun) {
    logger.warn(
      { job, scheduled: due.toISOString() },
      `the cleanup job ${job} was begun and not finished: going on with it`,
    );
  }
  const end = await run(slot.lost).catch(async (error: unknown) => {
    await giveUp(slot);
    throw error;
  });
  if (end === "done") await slot.end();
  else await giveUp(slot);
  return end === "done";
}

/** If that fails, the slot is taken over once nobody has shown a sign of life for long enough. */
async function giveUp(slot: Slot): Promise<void> {
  await slot.leave().catch(() => {});
}

/** Keeps no process alive. */
function waitFor(ms: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stopping.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms).unref();
    stopping.addEventListener("abort", done);
  });
}
