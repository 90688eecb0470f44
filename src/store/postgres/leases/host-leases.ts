/**
 * The leases of all hosts, each change of which goes through the log of its session, and this host's part in
 * them: its heartbeat, the leases that are its own, and those of lost hosts that it takes over.
 *
 * The room store/postgres/leases/ owns hosts, leases over hosts, what becomes of those of a lost host, and
 * claims. It does not know connections of workers, nor what becomes of a session without a worker.
 */
import { isSessiondError, type SessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { formatTimestamp } from "../../../time/clock.ts";
import { beginLease } from "../../lease-rules.ts";
import type { Acquired, FleetLease, Lease, LeaseEvent, LeaseRequest, Leases } from "../../session-store.ts";
import type { Database } from "../connection/database.ts";
import type { Feed } from "../feed/feed.ts";
import type { Elsewhere } from "../feed/news.ts";
import type { Log } from "../log/log.ts";
import { LoggedClaims } from "./claims.ts";
import { Heartbeat } from "./heartbeat.ts";
import { type KnownHost, knownHosts, trimHosts } from "./hosts.ts";
import { LeaseLookup } from "./lease-lookup.ts";
import { allLeases, type FoundLease, leasesOf, leasesOfHost } from "./lease-rows.ts";
import { takeOverLost } from "./lost-hosts.ts";
import { encodeDetail, eventOf } from "./told-leases.ts";

export interface HostLeasesOptions {
  database: Database;
  log: Pick<Log, "append" | "read" | "change">;
  feed: Pick<Feed, "onElsewhere">;
  hostId: string;
  /** Of this run of the daemon: a UUID. */
  run: string;
  hostname: string;
  version: string;
  leaseTtlMs: number;
  logger: Logger;
  /** Another daemon has begun with this host id: this one must acknowledge nothing more. */
  onSuperseded: (error: SessiondError) => void;
}

type End = "detached" | "lost";

export class HostLeases implements Leases {
  readonly claims: LoggedClaims;
  readonly #options: HostLeasesOptions;
  readonly #lookup: LeaseLookup;
  readonly #heartbeat: Heartbeat;
  /** By epoch, the leases of this host as far as this run knows. */
  readonly #own = new Map<number, Lease>();
  /** By epoch, leases whose end could not be written: the next heartbeat tries again. */
  readonly #ending = new Map<number, { id: SessionId; why: End }>();
  /** The epochs of other hosts' workers that have lost their connection. */
  readonly #disconnected = new Set<number>();
  /** The epochs of leases that were found to have ended, before the host that ended them was heard of. */
  readonly #foundLost = new Set<number>();
  readonly #orphaned = new Set<(lease: Lease) => void>();
  readonly #elsewhere = new Set<(event: LeaseEvent) => void>();
  #unsubscribe: () => void = () => {};
  /** What is done after a heartbeat, while the next ones may come. */
  #tending: Promise<void> | undefined;
  #hadBreak = false;

  constructor(options: HostLeasesOptions) {
    this.#options = options;
    this.#lookup = new LeaseLookup(options.database);
    this.claims = new LoggedClaims({ log: options.log, lookup: this.#lookup });
    const onBeat = (isLate: boolean) => this.#beaten(isLate);
    this.#heartbeat = new Heartbeat({ ...options, onBeat });
  }

  /** The tables must be there, or come when the database does. */
  begin(): void {
    this.#unsubscribe = this.#options.feed.onElsewhere((change) => this.#changedElsewhere(change));
    this.#heartbeat.begin();
  }

  /** The leases stay, for the next run. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#heartbeat.close();
    await this.#tending;
  }

  /** All hosts that were there in the last day. */
  hosts(): Promise<KnownHost[]> {
    return knownHosts(this.#options.database, this.#options.hostId);
  }

  async acquire(id: SessionId, request: LeaseRequest): Promise<Acquired> {
    const { database, log, hostId } = this.#options;
    let replaced: Lease | undefined;
    const since = formatTimestamp(database.clock.now());
    try {
      const { lease, token } = await log.change(id, "row", async (row, tx) => {
        const [next] = await tx.query<{ epoch: number }>("select nextval('sessiond.epochs') as epoch");
        const { epoch } = next as { epoch: number };
        const session = { id, leases: row.leases, generation: row.summary.generation };
        const { held, before, token } = beginLease(session, request, since, epoch);
        const leases = new Map(row.leases);
        if (before !== undefined) {
          leases.delete(before.lease.epoch);
          replaced = this.#forget(before.lease.epoch) ?? replaced;
        }
        leases.set(epoch, { ...held, hostId });
        const { worker } = held.lease;
        const detail = { what: "attached", epoch, worker, before: before?.lease.epoch } as const;
        await row.setLeases(leases.values(), encodeDetail(detail));
        return { lease: held.lease, token };
      });
      this.#own.set(lease.epoch, lease);
      return { lease, token };
    } catch (error) {
      if (replaced !== undefined) this.#own.set(replaced.epoch, replaced);
      throw error;
    }
  }

  async release(id: SessionId, epoch: number, why: End = "detached"): Promise<void> {
    this.#forget(epoch);
    try {
      await this.#end(id, epoch, why);
      this.#ending.delete(epoch);
    } catch (error) {
      this.#ending.set(epoch, { id, why });
      throw error;
    }
  }

  async disconnected(id: SessionId, epoch: number): Promise<void> {
    await this.#options.log.change(id, "row", async (row) => {
      const held = row.leases.get(epoch);
      if (held === undefined) return;
      const detail = { what: "lost", epoch, worker: held.lease.worker, gone: false } as const;
      await row.setLeases(row.leases.values(), encodeDetail(detail));
    });
  }

  async of(id: string): Promise<FleetLease[]> {
    return (await this.#lookup.of(id)).map((found) => this.#shown(found));
  }

  async among(ids: readonly string[]): Promise<FleetLease[]> {
    if (ids.length === 0) return [];
    return (await leasesOf(this.#options.database, ids)).map((found) => this.#shown(found));
  }

  async all(): Promise<FleetLease[]> {
    return (await allLeases(this.#options.database)).map((found) => this.#shown(found));
  }

  async own(): Promise<Lease[]> {
    const found = await leasesOfHost(this.#options.database, this.#options.hostId);
    for (const { lease } of found) if (!this.#ending.has(lease.epoch)) this.#own.set(lease.epoch, lease);
    return found.map(({ lease }) => lease);
  }

  onOrphaned(listener: (lease: Lease) => void): () => void {
    this.#orphaned.add(listener);
    return () => void this.#orphaned.delete(listener);
  }

  onElsewhere(listener: (event: LeaseEvent) => void): () => void {
    this.#elsewhere.add(listener);
    return () => void this.#elsewhere.delete(listener);
  }

  #shown({ lease, hostId }: FoundLease): FleetLease {
    if (hostId === this.#options.hostId) return lease;
    return { ...lease, elsewhere: { connected: !this.#disconnected.has(lease.epoch) } };
  }

  #forget(epoch: number): Lease | undefined {
    const lease = this.#own.get(epoch);
    this.#own.delete(epoch);
    return lease;
  }

  async #end(id: SessionId, epoch: number, why: End): Promise<void> {
    try {
      await this.#options.log.change(id, "row", async (row) => {
        const held = row.leases.get(epoch);
        if (held === undefined) return;
        const leases = [...row.leases.values()].filter((other) => other !== held);
        const detail = { what: why, epoch, worker: held.lease.worker, gone: why === "lost" } as const;
        await row.setLeases(leases, encodeDetail(detail));
      });
    } catch (error) {
      // The lease has ended with its session.
      if (!isSessiondError(error, "session_not_found", "session_deleted")) throw error;
      return;
    }
    this.claims.wake(id);
  }

  /** After a heartbeat. The next one must not wait for what is to be done. */
  #beaten(isLate: boolean): void {
    this.#hadBreak ||= isLate;
    this.#tending ??= this.#tend()
      .catch((error: unknown) => {
        this.#options.logger.debug({ err: error }, "cannot look after the leases; trying again");
      })
      .finally(() => {
        this.#tending = undefined;
      });
  }

  async #tend(): Promise<void> {
    if (this.#hadBreak) await this.#findLost();
    this.#hadBreak = false;
    for (const [epoch, { id, why }] of this.#ending) {
      await this.#end(id, epoch, why);
      this.#ending.delete(epoch);
    }
    await takeOverLost(this.#options, this.#heartbeat.steadyMs, (lease) => {
      this.#own.set(lease.epoch, lease);
      for (const listener of this.#orphaned) listener(lease);
    });
    await trimHosts(this.#options.database, this.#options.hostId);
  }

  /** After a break: others may have taken this host for lost, and ended its leases. */
  async #findLost(): Promise<void> {
    const known = [...this.#own.values()];
    const { database, hostId } = this.#options;
    const kept = new Set((await leasesOfHost(database, hostId)).map(({ lease }) => lease.epoch));
    for (const lease of known) {
      if (kept.has(lease.epoch) || !this.#own.delete(lease.epoch)) continue;
      this.#foundLost.add(lease.epoch);
      this.#tell({ kind: "lost", lease, gone: true });
    }
  }

  #changedElsewhere({ id, kinds, leases }: Elsewhere): void {
    for (const detail of leases) {
      const told = eventOf(id, detail);
      if (told === undefined) continue;
      const { event, before } = told;
      const { epoch } = event.lease;
      if (event.kind === "lost" && !event.gone) this.#disconnected.add(epoch);
      else this.#disconnected.delete(epoch);
      if (before !== undefined) {
        this.#disconnected.delete(before);
        this.#own.delete(before);
      }
      if (event.kind !== "attached") this.#own.delete(epoch);
      if (!this.#foundLost.delete(epoch)) this.#tell(event);
    }
    // A report may have added files, or given some back with it.
    if (/[rdl]/.test(kinds)) this.claims.wake(id);
  }

  #tell(event: LeaseEvent): void {
    for (const listener of this.#elsewhere) listener(event);
  }
}
