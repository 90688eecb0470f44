/**
 * How a run takes part in a session that it shares. Whoever comes first has the session alone for a while,
 * and prepares it for all; whoever comes while others are at work joins them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionClient } from "../client/session-client.ts";
import type { SharedWorkerSession } from "../client/worker/shared-worker-session.ts";
import type { WorkerSession } from "../client/worker/worker-session.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import { BeginAnew } from "./begin-anew.ts";

/** Between two looks whether the session can be joined. */
const pollMs = 100;
/** A worker that is just attaching has no connection for a moment, and one that prepares is soon done. */
const enoughLooks = 20;

export type Seat =
  | { readonly isFirst: true; readonly worker: WorkerSession }
  | { readonly isFirst: false; readonly worker: SharedWorkerSession };

export interface SeatOptions {
  readonly client: SessionClient;
  readonly id: string;
  /** The name of the worker. */
  readonly name: string;
  readonly reconnectMs: number;
  /** Takes a line for people. */
  say(line: string): void;
}

/** Added to the name of a worker that prepares a session for all that will share it. */
const preparing = ", preparing";

/**
 * Attaches to the session. Waits while another run prepares it. Undefined if there is no such session.
 *
 * @throws SessiondError `lease_held` if a worker has the session to itself
 */
export async function takeSeat(options: SeatOptions): Promise<Seat | undefined> {
  const { client, id } = options;
  let lookedOften = 0;
  for (;;) {
    const seat = (await attachAlone(options)) ?? (await attachShared(options));
    if (seat !== "held") return seat;
    const why = await whyNot(client, id);
    if (why === undefined) lookedOften = 0;
    else if (++lookedOften === enoughLooks) options.say(why);
    await sleep(pollMs);
  }
}

/** The seat of the first; undefined if others are attached. */
async function attachAlone({ client, id, name, reconnectMs }: SeatOptions): Promise<Seat | undefined> {
  try {
    const worker = await client.attach(id, {
      worker: `${name}${preparing}`,
      reconnectMs,
      keepResults: false,
    });
    return { isFirst: true, worker };
  } catch (error) {
    // That there is no such session is said by the next attempt.
    if (isSessiondError(error, "lease_held", "session_not_found", "session_deleted")) return undefined;
    throw error;
  }
}

async function attachShared({
  client,
  id,
  name,
  reconnectMs,
}: SeatOptions): Promise<Seat | "held" | undefined> {
  try {
    const worker = await client.attach(id, { worker: name, reconnectMs, shared: true });
    return { isFirst: false, worker };
  } catch (error) {
    if (isSessiondError(error, "lease_held")) return "held";
    if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
    throw error;
  }
}

/** What is waited for, in words; undefined if it is over. */
async function whyNot(client: SessionClient, id: string): Promise<string | undefined> {
  const [holder] = (await client.getSummary(id)).workers;
  if (holder === undefined || holder.shared) return undefined;
  const name = holder.name === null ? "a worker" : `"${holder.name}"`;
  if (!holder.connected)
    return `${name} lost its connection; waiting until it can no longer reconnect (worker.reattach_grace)`;
  if (holder.name?.endsWith(preparing)) return `waiting for ${name}, which has "${id}" to itself until then`;
  throw new SessiondError(
    "lease_held",
    `${name} has "${id}" to itself; to share the work, start that run with --share too`,
  );
}

/**
 * Gives up the session that was prepared, and joins whoever shares it now.
 *
 * @throws BeginAnew if a worker has the session to itself for longer than a moment; SessiondError as
 *   {@link takeSeat}; `session_deleted` if the session is gone
 */
export async function share(seat: Seat, options: SeatOptions): Promise<SharedWorkerSession> {
  if (!seat.isFirst) return seat.worker;
  await seat.worker.detach();
  let lookedOften = 0;
  for (;;) {
    const shared = await attachShared(options);
    if (shared === undefined)
      throw new SessiondError("session_deleted", `session "${options.id}" was deleted`);
    if (shared !== "held" && !shared.isFirst) return shared.worker;
    // It may be this run, which could not detach: then worker.on_lost applies to what it has prepared.
    if ((await whyNot(options.client, options.id)) === undefined) lookedOften = 0;
    else if (++lookedOften === enoughLooks) throw new BeginAnew();
    await sleep(pollMs);
  }
}
