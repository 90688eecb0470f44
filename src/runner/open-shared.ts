/** Prepares a session that a run shares, and makes the run one of its workers. */
import { setTimeout as sleep } from "node:timers/promises";
import type { SharedWorkerSession } from "../client/worker/shared-worker-session.ts";
import type { JsonValue } from "../json/exact-json.ts";
import type { Session } from "../session/session.ts";
import { BeginAnew } from "./begin-anew.ts";
import { leaveShared } from "./finish-shared.ts";
import { ownMark } from "./mark.ts";
import { type Seat, type SeatOptions, share, takeSeat } from "./seat.ts";
import { addFiles, createSession, goOn, type Opened, type Opening, remember } from "./session-run.ts";
import { lookAt, SharedSession } from "./shared-session.ts";

/** The most files that one request requeues. */
const batchFiles = 5000;
const statusMs = 5000;
const pollMs = 10;

export interface SharedOpening extends Opening {
  /** Undefined for a session that is to be created. */
  readonly seat: Seat | undefined;
  /** When the run was started. A file that has run since does not run again for this run. */
  readonly startedTime: string;
  readonly isHaltable: boolean;
  /** @throws CommandError if the session remembers another work than that of this run */
  checkAgreement(id: string, run: JsonValue): void;
  say(line: string): void;
}

/** @throws BeginAnew */
export async function openShared(opening: SharedOpening): Promise<Opened> {
  const seat = opening.seat ?? (await create(opening));
  const options = seatOptions(opening, idOf(seat));
  let worker: SharedWorkerSession | undefined;
  try {
    const known = seat.isFirst ? seat.worker.session : (opening.session as Session);
    const mark = await remember(opening, known, { joins: !seat.isFirst });
    if (seat.isFirst) {
      await addFiles(seat.worker, opening.selection.added, known);
      await goOn(opening.client, known);
    }
    worker = await share(seat, options);
    opening.checkAgreement(options.id, (await opening.client.getSummary(options.id)).run);
    if (!seat.isFirst) await addFiles(worker, opening.selection.added, known);
    await requeue(opening, options.id);
    await untilAtWork(opening, worker);
    const first = await lookAt(opening.client, options.id);
    const results = opening.needsResults ? (await opening.client.getSession(options.id)).partial_results : {};
    const shared = new SharedSession({
      client: opening.client,
      worker,
      first,
      mark,
      countsAtOnce: opening.isHaltable,
    });
    return { session: shared, results, mark: ownMark(mark) };
  } catch (error) {
    // A worker that is left would keep this process alive.
    await leaveShared({ ...opening, id: options.id }, worker ?? seat.worker).catch(() => {});
    throw error;
  }
}

/**
 * The session with its first files, to itself until it is prepared.
 *
 * @throws BeginAnew if others came first
 */
async function create(opening: SharedOpening): Promise<Seat> {
  const seat = await takeSeat(seatOptions(opening, await createSession(opening)));
  if (seat?.isFirst) return seat;
  await seat?.worker.detach();
  throw new BeginAnew();
}

function seatOptions({ client, worker, reconnectMs, say }: SharedOpening, id: string): SeatOptions {
  return { client, id, name: worker, reconnectMs, say };
}

function idOf(seat: Seat): string {
  return seat.isFirst ? seat.worker.session.session_id : seat.worker.summary.session_id;
}

/** Two runs that are started at the same time requeue a file once. */
async function requeue({ client, selection, startedTime }: SharedOpening, id: string): Promise<void> {
  const { again } = selection;
  for (let at = 0; at < again.length; at += batchFiles) {
    await client.requeue(id, again.slice(at, at + batchFiles), { unlessFinishedSince: startedTime });
  }
}

/**
 * Resolves when the session is running, or is paused by somebody while others share it. The others may have
 * ended it just before there were files again.
 */
async function untilAtWork(opening: SharedOpening, worker: SharedWorkerSession): Promise<void> {
  const { client } = opening;
  const summary = await client.getSummary(worker.summary.session_id);
  if (summary.pending_count > 0 && summary.status !== "paused") await goOn(client, summary);
  const began = performance.now();
  while (worker.status === "completed" || worker.status === "failed") {
    if (summary.pending_count === 0 || performance.now() - began > statusMs) return;
    await sleep(pollMs);
  }
}
