/** The table of hosts: which there are, when each was last heard of, and which are forgotten. */
import type { Database } from "../connection/database.ts";
import { fromText, toText } from "../schema/names.ts";

export interface KnownHost {
  host_id: string;
  name: string | null;
  version: string | null;
  /** How long ago it was heard of, in milliseconds. */
  silent_ms: number;
  /** It was silent for longer than its time: its leases are another host's now. */
  lost: boolean;
}

/** This host first, then the others by id. */
export async function knownHosts(database: Database, hostId: string): Promise<KnownHost[]> {
  const rows = await database.query<KnownHost>(
    `select host_id, name, version,
      greatest(0, extract(epoch from clock_timestamp() - heartbeat) * 1000)::bigint as silent_ms,
      heartbeat < clock_timestamp() - lease_ttl_ms * interval '1 millisecond' as lost
    from sessiond.hosts order by host_id <> $1, host_id`,
    [toText(hostId)],
  );
  return rows.map((row) => ({ ...row, host_id: fromText(row.host_id), name: fromText(row.name) }));
}

/** Forgets hosts that were not heard of for a day and have no leases. */
export async function trimHosts(database: Database, hostId: string): Promise<void> {
  await database.query(
    `delete from sessiond.hosts h where host_id <> $1 and heartbeat < clock_timestamp() - interval '1 day'
      and not exists (select from sessiond.leases l where l.host_id = h.host_id)`,
    [toText(hostId)],
  );
}
