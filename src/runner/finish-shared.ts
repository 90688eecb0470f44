/**
 * Ends the part of a run in a session that it shares. Whoever sees the end of the work first gives the
 * session its status; whoever leaves before the end leaves it running for the others, and pauses it if there
 * is none.
 */
import type { SessionClient } from "../client/session-client.ts";
import { isSessiondError } from "../error.ts";
import type { SessionSummary } from "../session/session.ts";
import { type Ending, endOfWork, type Finishing, isToBeFinished, retryUntilDone } from "./finish-session.ts";
import { FullDisk } from "./full-disk.ts";
import { countsOf } from "./run-files.ts";
import type { RunWorker } from "./run-session.ts";
import type { RunEnd, RunSummary, Stop } from "./runner-options.ts";

/** Detaches the worker of the run. */
export async function finishShared(finishing: Finishing): Promise<RunEnd> {
  const { session, client, unseen } = finishing;
  const { worker, id } = session;
  const leaving = { ...finishing, id };
  if (!isToBeFinished(finishing)) return { status: undefined, summary: finishing.summary, others: 0 };
  try {
    const found = await find(client, id);
    if (found !== undefined) await session.countForSure();
    const ending = endingNow(finishing, found);
    if (ending !== undefined) await set(leaving, ending);
  } finally {
    await worker.detach();
  }
  const reason = finishing.summary.stop?.reason;
  await endIfLast(leaving, (pending) =>
    reason === undefined
      ? endOfWork({ failures: 0, processed: 0, pending, unseen })
      : { verb: "pauseSession", status: "paused", reason },
  );
  const left = await find(client, id);
  const { isHeld, share } = finishing.summary;
  const counts = countsOf(session.files);
  const pending = left?.pending_count ?? 0;
  return {
    status: left?.status,
    summary: {
      ...counts,
      pending,
      share: session.share ?? share,
      isHeld: isHeld && left?.status === "paused",
      stop: stopAtEnd(finishing.summary, left),
    },
    others: left?.workers.length ?? 0,
  };
}

/** Takes a run away from a session that it has joined and does not work on. */
export async function leaveShared(leaving: Leaving, worker: RunWorker): Promise<void> {
  await worker.detach();
  const reason = "a run could not start";
  await endIfLast(leaving, () => ({ verb: "pauseSession", status: "paused", reason }));
}

export interface Leaving extends Pick<Finishing, "client" | "reconnectMs" | "say"> {
  readonly id: string;
}

function set({ client, id, reconnectMs, say }: Leaving, { verb, reason }: Ending): Promise<boolean> {
  return retryUntilDone(reconnectMs, new FullDisk(reconnectMs, say), () => client[verb](id, { reason }));
}

type Found = Awaited<ReturnType<SessionClient["getSummary"]>>;

/** Undefined if the session was deleted. */
async function find(client: SessionClient, id: string): Promise<Found | undefined> {
  try {
    return await client.getSummary(id);
  } catch (error) {
    if (isSessiondError(error, "session_deleted", "session_not_found")) return undefined;
    throw error;
  }
}

/**
 * Why the run has ended before the end of the work. Without work left, a reason to stop came too late to
 * matter, unless it is an error; nor does it matter which of the runs has ended the session.
 */
function stopAtEnd({ stop }: RunSummary, found: SessionSummary | undefined): Stop | undefined {
  const isLost = stop?.cause === "error" || stop?.cause === "lease_lost";
  return isLost || found === undefined || found.pending_count > 0 || found.status === "paused"
    ? stop
    : undefined;
}

/** What is to become of the session while others are attached; undefined if nothing. */
function endingNow(
  { session, summary, unseen }: Finishing,
  found: SessionSummary | undefined,
): Ending | undefined {
  const stop = stopAtEnd(summary, found);
  // All that share the session end for the same reason.
  if (stop?.cause === "halted") return { verb: "pauseSession", status: "paused", reason: stop.reason };
  if (stop !== undefined || found?.status !== "running" || found.pending_count > 0) return undefined;
  const { failed, failedEarlier } = session.files;
  return endOfWork({
    failures: failed + failedEarlier,
    processed: found.processed_count,
    pending: 0,
    unseen,
  });
}

/** If nobody else is attached: ends a session that is running, and takes its mark away. */
async function endIfLast(leaving: Leaving, endingFor: (pending: number) => Ending): Promise<void> {
  const { client, id, reconnectMs } = leaving;
  const found = await find(client, id);
  if (found === undefined || found.workers.length > 0) return;
  if (found.status !== "running") {
    await client.editSession(id, { run: { mark: null } });
    return;
  }
  try {
    // A run that comes now finds the session taken, and is not paused.
    const alone = await client.attach(id, { worker: "run, leaving", reconnectMs, keepResults: false });
    try {
      await client.editSession(id, { run: { mark: null } });
      await set(leaving, endingFor(alone.session.pending_files.length));
    } finally {
      await alone.detach();
    }
  } catch (error) {
    if (isSessiondError(error, "lease_held", "session_deleted", "session_not_found")) return;
    throw error;
  }
}
