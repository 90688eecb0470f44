/** The workers of sessions as replies list them, and the handler that ends one. */
import type { AttachedWorker } from "../../contract/replies.ts";
import { SessiondError } from "../../error.ts";
import type { FleetLease, SessionStore } from "../../store/session-store.ts";
import type { Workers } from "../channel/workers.ts";
import type { Handlers } from "../http/handler.ts";

export interface ListedWorkers {
  of(id: string): Promise<AttachedWorker[]>;
  /** By session id, of those of these sessions that have any. */
  among(ids: readonly string[]): Promise<Map<string, AttachedWorker[]>>;
}

export function listedWorkers(
  { leases, claims }: Pick<SessionStore, "leases" | "claims">,
  channel: Pick<Workers, "isConnected">,
): ListedWorkers {
  const listed = async (id: string, held: readonly FleetLease[]): Promise<AttachedWorker[]> => {
    const counts = held.some(({ shared }) => shared) ? await claims.counts(id) : new Map<number, number>();
    return held.map(({ epoch, worker, host, since, shared, elsewhere }) => ({
      epoch,
      name: worker,
      host,
      since,
      claimed: counts.get(epoch) ?? 0,
      connected: elsewhere?.connected ?? channel.isConnected(epoch),
      shared,
    }));
  };
  return {
    of: async (id) => listed(id, await leases.of(id)),
    async among(ids) {
      const bySession = new Map<string, FleetLease[]>();
      for (const lease of await leases.among(ids)) {
        const others = bySession.get(lease.session_id);
        if (others === undefined) bySession.set(lease.session_id, [lease]);
        else others.push(lease);
      }
      const entries = [...bySession].map(async ([id, held]) => [id, await listed(id, held)] as const);
      return new Map(await Promise.all(entries));
    },
  };
}

export function workerHandlers(workers: Pick<Workers, "evict">) {
  return {
    evictWorker: async ({ params }) => {
      const { id, epoch } = params;
      if (!/^\d{1,16}$/.test(epoch)) {
        throw new SessiondError("invalid_request", `"${epoch}" is no epoch: it must be a whole number`);
      }
      return workers.evict(id, Number(epoch));
    },
  } satisfies Partial<Handlers>;
}
