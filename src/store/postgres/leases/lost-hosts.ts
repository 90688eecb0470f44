/**
 * Hosts whose heartbeat has ended, and their leases, which any other host takes over: session by session,
 * under the row's lock, so that one host alone gets each. Does not decide what becomes of a session.
 */
import { isSessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Lease } from "../../session-store.ts";
import type { Database, Queryable } from "../connection/database.ts";
import type { Log, SessionLease } from "../log/log.ts";
import { fromText, toText } from "../schema/names.ts";
import { encodeDetail } from "./told-leases.ts";

export interface LostHostsOptions {
  database: Database;
  log: Pick<Log, "change">;
  hostId: string;
  leaseTtlMs: number;
  logger: Logger;
}

/** A session of a lost host. */
interface LostSession {
  readonly id: SessionId;
  readonly hostId: string;
}

/** How many sessions are taken over at once. */
const takersAtOnce = 4;

/**
 * Takes over the leases of all hosts that are lost. `steadyMs`: for how long this host and the database had
 * no break. Calls `onTaken` for each lease once it is this host's.
 */
export async function takeOverLost(
  options: LostHostsOptions,
  steadyMs: number,
  onTaken: (lease: Lease) => void,
): Promise<void> {
  const next = (await lostSessions(options, steadyMs)).values();
  const take = async () => {
    for (const session of next) {
      const taken = await takeOver(options, session);
      if (taken.length === 0) continue;
      const { id, hostId } = session;
      options.logger.warn({ session_id: id, host_id: hostId }, "took over from a lost host");
      for (const lease of taken) onTaken(lease);
    }
  };
  await Promise.all(Array.from({ length: takersAtOnce }, take));
}

/** Within this time every daemon has noticed that the database is back. */
const reconnectMs = 2000;

/**
 * The sessions of hosts that were silent for too long. None while there was a break in their time, and as
 * long again as it takes to reconnect.
 */
async function lostSessions(
  { database, hostId, leaseTtlMs }: LostHostsOptions,
  steadyMs: number,
): Promise<LostSession[]> {
  const silenceMs = Math.floor(steadyMs - reconnectMs);
  if (silenceMs < leaseTtlMs) return [];
  // In an order of its own for each host, so that several share the work.
  const rows = await database.query<{ session_id: string; host_id: string }>(
    `select l.session_id, l.host_id from sessiond.leases l left join sessiond.hosts h using (host_id)
      where l.host_id <> $1 and (h.host_id is null or ${isLost} and h.lease_ttl_ms <= $3::bigint)
      group by 1, 2 order by random()`,
    [toText(hostId), leaseTtlMs, silenceMs],
  );
  return rows.map(({ session_id, host_id }) => ({
    id: fromText(session_id) as SessionId,
    hostId: fromText(host_id),
  }));
}

/** Takes the leases that a lost host has of a session. Returns those that are this host's alone now. */
async function takeOver(options: LostHostsOptions, { id, hostId }: LostSession): Promise<Lease[]> {
  try {
    return await options.log.change(id, "row", async (row, tx) => {
      const lost = [...row.leases.values()].filter((held) => held.hostId === hostId);
      if (lost.length === 0 || !(await isStillLost(tx, hostId, options.leaseTtlMs))) return [];
      const leases = new Map<number, SessionLease>(row.leases);
      for (const held of lost) leases.set(held.lease.epoch, { ...held, hostId: options.hostId });
      await row.setLeases(leases.values(), encodeDetail({}));
      return lost.map(({ lease }) => lease);
    });
  } catch (error) {
    // With the session, its leases have ended.
    if (isSessiondError(error, "session_not_found", "session_deleted")) return [];
    throw error;
  }
}

/** Its heartbeat waits until the transaction has ended. */
async function isStillLost(tx: Queryable, hostId: string, leaseTtlMs: number): Promise<boolean> {
  const [host] = await tx.query<{ lost: boolean }>(
    `select ${isLost} as lost from sessiond.hosts h where host_id = $1 for share`,
    [toText(hostId), leaseTtlMs],
  );
  return host?.lost ?? true;
}

/** Hosts may be given different times: the longer one counts. `$2` is that of this host. */
const isLost =
  "h.heartbeat < clock_timestamp() - greatest(h.lease_ttl_ms, $2::bigint) * interval '1 millisecond'";
