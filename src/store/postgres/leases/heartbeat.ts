/**
 * The row of this host in the table of hosts, and its heartbeat: that this run of the daemon is alive. A
 * later run of the same host takes the row over, and this one notices. All times are the database's. Does
 * not know what a host has.
 */
import { SessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { Database } from "../connection/database.ts";
import { toText } from "../schema/names.ts";
import { Steadiness } from "./steadiness.ts";

export interface HeartbeatOptions {
  database: Database;
  hostId: string;
  /** Of this run of the daemon. */
  run: string;
  hostname: string;
  version: string;
  leaseTtlMs: number;
  logger: Logger;
  /** Called after each heartbeat, and must not wait; `isLate` after a break, and at the first one. */
  onBeat: (isLate: boolean) => void;
  /** A later run has the row: this one must acknowledge nothing more. */
  onSuperseded: (error: SessiondError) => void;
}

/**
 * In the time until a host counts as lost. After a break of half of that time, nobody's heartbeat is so old
 * as to count as lost.
 */
const beatsPerTtl = 4;
const maxIntervalMs = 5000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #intervalMs: number;
  readonly #steadiness: Steadiness;
  #timer: NodeJS.Timeout | undefined;
  #beating: Promise<void> | undefined;
  #unsubscribe: () => void = () => {};
  #isRegistered = false;
  #isOver = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(options.leaseTtlMs / beatsPerTtl, maxIntervalMs);
    this.#steadiness = new Steadiness(options.leaseTtlMs / 2);
  }

  /** For how long this host and the database have worked without a break, in milliseconds. */
  get steadyMs(): number {
    return this.#steadiness.steadyMs;
  }

  begin(): void {
    this.#unsubscribe = this.#options.database.onConnected(() => void this.beat());
  }

  /** A heartbeat now. Resolves when it was answered, or failed. */
  beat(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => {
      this.#beating = undefined;
      clearTimeout(this.#timer);
      if (!this.#isOver) this.#timer = setTimeout(() => void this.beat(), this.#intervalMs).unref();
    });
    return this.#beating;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#unsubscribe();
    clearTimeout(this.#timer);
    await this.#beating;
  }

  async #beat(): Promise<void> {
    const { database, logger, onBeat } = this.#options;
    if (this.#isOver || !database.available) return;
    try {
      const serverUpMs = this.#isRegistered ? await this.#renew() : await this.#register();
      if (serverUpMs === undefined) return;
      const { availableSinceMs } = database;
      const isLate = this.#steadiness.take({ atMs: performance.now(), serverUpMs, availableSinceMs });
      if (!this.#isOver) onBeat(isLate);
    } catch (error) {
      // The next one may be answered. If none is, other hosts notice.
      logger.debug({ err: error }, "a heartbeat failed");
    }
  }

  /** Takes the row over from an earlier run of this host. */
  async #register(): Promise<number> {
    const { hostId, run, hostname, leaseTtlMs, version, database } = this.#options;
    const values = [toText(hostId), run, toText(hostname), leaseTtlMs, version];
    const [row] = await database.query<{ up_ms: number }>(registerSql, values);
    this.#isRegistered = true;
    return (row as { up_ms: number }).up_ms;
  }

  async #renew(): Promise<number | undefined> {
    const { hostId, run, leaseTtlMs, database } = this.#options;
    const [row] = await database.query<{ up_ms: number }>(renewSql, [toText(hostId), run, leaseTtlMs]);
    if (row !== undefined) return row.up_ms;
    const [found] = await database.query<{ run: string }>(
      "select run::text from sessiond.hosts where host_id = $1",
      [toText(hostId)],
    );
    if (found === undefined) return this.#register();
    if (found.run !== run) this.#superseded();
    return undefined;
  }

  #superseded(): void {
    const { hostId, onSuperseded } = this.#options;
    this.#isOver = true;
    const message =
      `another daemon has begun with the host id "${hostId}", so this one stops; ` +
      "if both are to run, give each a name of its own with storage.host";
    onSuperseded(new SessiondError("storage_failed", message));
  }
}

const upMs = "(extract(epoch from clock_timestamp() - pg_postmaster_start_time()) * 1000)::float8 as up_ms";

const registerSql = `
  insert into sessiond.hosts as h (host_id, run, name, heartbeat, lease_ttl_ms, version)
  values ($1, $2::uuid, $3, clock_timestamp(), $4::bigint, $5)
  on conflict (host_id) do update set run = excluded.run, name = excluded.name,
    heartbeat = excluded.heartbeat, lease_ttl_ms = excluded.lease_ttl_ms, version = excluded.version
  returning ${upMs}`;

const renewSql = `
  update sessiond.hosts set heartbeat = clock_timestamp(), lease_ttl_ms = $3::bigint
  where host_id = $1 and run = $2::uuid
  returning ${upMs}`;
