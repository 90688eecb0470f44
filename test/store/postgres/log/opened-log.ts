/** Logs of several daemons on one database, and what they know of a session. */
import { randomUUID } from "node:crypto";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { newSession, type Session } from "../../../../src/session/session.ts";
import type { SessionId } from "../../../../src/session/session-id.ts";
import type { Database } from "../../../../src/store/postgres/connection/database.ts";
import { openDatabase } from "../../../../src/store/postgres/connection/open-database.ts";
import type { CopyLimits } from "../../../../src/store/postgres/log/copies.ts";
import type {
  OwnChange,
  OwnReport,
  SessionCopy,
  SessionLease,
} from "../../../../src/store/postgres/log/log.ts";
import { SessionLog } from "../../../../src/store/postgres/log/session-log.ts";
import { migrate } from "../../../../src/store/postgres/schema/migrate.ts";
import {
  type SummaryRow,
  summaryColumns,
  summaryOf,
} from "../../../../src/store/postgres/view/summary-row.ts";
import type { Clock } from "../../../../src/time/clock.ts";

export interface OpenedLog {
  log: SessionLog;
  database: Database;
  changes: OwnChange[];
  reports: OwnReport[];
  freed: string[];
}

export async function openedDatabase(url: string): Promise<Database> {
  const options = { url, leaseTtlMs: 2000, durability: "trust" } as const;
  const database = await openDatabase(options, { logger: silentLogger });
  onTestFinished(() => database.close());
  return database;
}

/** As that of a daemon of its own. Closed when the test ends. */
export async function openedLog(url: string, limits?: CopyLimits): Promise<OpenedLog> {
  const database = await openedDatabase(url);
  await migrate(database);
  const opened = logOn(database, limits);
  onTestFinished(() => opened.log.close());
  return opened;
}

/** One that has no copy yet, on a database that somebody else closes. */
export function logOn(database: Database, limits?: CopyLimits, clock: Clock = database.clock): OpenedLog {
  const [changes, reports, freed] = [[] as OwnChange[], [] as OwnReport[], [] as string[]];
  const log = new SessionLog({
    database,
    clock,
    origin: randomUUID(),
    told: { own: async (change) => void changes.push(change), reported: (one) => void reports.push(one) },
    onFree: (id) => void freed.push(id),
    ...(limits === undefined ? {} : { limits }),
  });
  return { log, database, changes, reports, freed };
}

export function sessionOf(id: string, pending: readonly string[], more: Partial<Session> = {}): Session {
  const input = { session_id: id, config: { target_path: "/code" }, pending_files: pending };
  return { ...newSession(input, "0011223344556677", "2026-01-02T03:04:05.123456Z"), ...more };
}

/** Everything of a session that two copies of it must have alike. */
export async function stateOf(log: SessionLog, id: SessionId): Promise<unknown> {
  return log.read(id, async (copy: SessionCopy) => {
    const { seq, leases } = copy;
    const summary = copy.summary();
    const claims = [...copy.claimed].sort(([a], [b]) => (a < b ? -1 : 1));
    const free = copy.claimed.free(copy.working.files);
    const epochs = [...leases.keys()].sort();
    const counts = Array.from(leases.values(), ({ id, lease }) => [lease.epoch, copy.claimed.count(id)]);
    return {
      seq,
      epochs,
      counts: counts.sort(),
      summary,
      claims,
      free,
      session: await copy.working.toSession(),
    };
  });
}

/** What the row says. */
export async function rowOf(database: Database, id: SessionId): Promise<unknown> {
  const [row] = await database.query<SummaryRow & { sid: number; seq: number }>(
    `select sid, seq, ${summaryColumns} from sessiond.sessions where id = $1 and removed_us is null`,
    [id],
  );
  if (row === undefined) return undefined;
  const leases = await database.query<{ epoch: number; claimed: number }>(
    "select epoch, claimed from sessiond.leases where sid = $1",
    [row.sid],
  );
  const counts = leases.map(({ epoch, claimed }) => [epoch, claimed]).sort();
  return { seq: row.seq, counts, summary: summaryOf(row) };
}

export function leaseFor(id: SessionId, epoch: number, shared: boolean, leaseId = epoch): SessionLease {
  const lease = { session_id: id, epoch, shared, worker: `w${epoch}`, process: null, host: "h" };
  return {
    id: leaseId,
    hostId: "host",
    tokenHash: null,
    lease: { ...lease, since: "2026-01-02T03:04:05.000000Z", generation: "0011223344556677" },
  };
}

/** Begins a shared lease beside those that there are, in the place of an earlier one of this id. */
export function beginLease(
  log: SessionLog,
  id: SessionId,
  { epoch, id: lease }: { epoch: number; id: number },
) {
  return log.change(id, "row", async (row) => {
    const others = [...row.leases.values()].filter((held) => held.id !== lease);
    await row.setLeases([...others, leaseFor(id, epoch, true, lease)], Buffer.from("{}"));
  });
}

export function endLease(log: SessionLog, id: SessionId, epoch: number) {
  return log.change(id, "row", async (row) => {
    const others = [...row.leases.values()].filter(({ lease }) => lease.epoch !== epoch);
    await row.setLeases(others, Buffer.from("{}"));
  });
}

export function claim(log: SessionLog, id: SessionId, epoch: number, count: number): Promise<string[]> {
  return log.append(id, ({ leases, claimed, working }) => {
    const held = leases.get(epoch);
    const files = held === undefined ? [] : claimed.take(working.files, held.id, count);
    const json = Buffer.from(JSON.stringify({ lease: held?.id, files }));
    return { records: files.length === 0 ? [] : [{ kind: "c", json }], value: files };
  });
}

export function giveBack(log: SessionLog, id: SessionId, epoch: number, count: number): Promise<string[]> {
  return log.append(id, ({ leases, claimed, working }) => {
    const held = leases.get(epoch);
    const files = held === undefined ? [] : claimed.held(working.files, held.id).slice(0, count);
    if (held !== undefined) claimed.giveBack(working.files, held.id, files);
    const json = Buffer.from(JSON.stringify({ lease: held?.id, files }));
    return { records: files.length === 0 ? [] : [{ kind: "g", json }], value: files };
  });
}
