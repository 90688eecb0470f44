/**
 * The leases: who may report on a session. One worker alone has an exclusive lease, and any number of workers
 * have shared ones. Each connection has a new epoch, also across restarts, so that a late write under an old
 * epoch is refused (a fencing token). The epoch is public; who comes back proves it by a random token, of
 * which only the hash is kept. Does not decide how long a lease lasts, nor what a shared one has claimed.
 */
import { isSessiondError } from "../error.ts";
import type { SessionSummary } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { leasesRecord } from "./lease-record.ts";
import {
  assertMayReport,
  assertMayRequeue,
  assertShared,
  beginLease,
  type HeldLease,
} from "./lease-rules.ts";
import type { Acquired, Lease, LeaseRequest, Leases, Records } from "./session-store.ts";

const recordName = "leases";
const retryMs = 5000;
const none: ReadonlyMap<number, HeldLease> = new Map();

export interface LeaseTableOptions {
  records: Pick<Records, "load" | "replace">;
  clock: Clock;
  /** Returns what is known of the session. Throws if there is none, or if no change may begin. */
  admit: (id: SessionId) => Pick<SessionSummary, "generation">;
  /** Called when a shared lease was released. */
  onReleased: (ended: HeldLease) => Promise<void>;
}

export class LeaseTable implements Leases {
  readonly #options: LeaseTableOptions;
  /** By session id, its leases by epoch. */
  readonly #held = new Map<string, Map<number, HeldLease>>();
  /** By lease id, the leases that the record on disk has. */
  #saved: ReadonlyMap<number, HeldLease> = new Map();
  #lastEpoch = 0;
  #saving: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: LeaseTableOptions) {
    this.#options = options;
  }

  /** Loads the leases that an earlier run left. */
  async load(): Promise<void> {
    const record = await this.#options.records.load(recordName, leasesRecord);
    const now = formatTimestamp(this.#options.clock.now());
    // Even if the record is lost, no epoch is given out twice.
    this.#lastEpoch = Math.max(Date.now(), record?.last_epoch ?? 0);
    for (const { token_sha256, lease_id, since = now, ...known } of record?.leases ?? []) {
      const tokenHash = token_sha256 === null ? null : Buffer.from(token_sha256, "hex");
      this.#put({ lease: { ...known, since }, id: lease_id ?? known.epoch, tokenHash });
      this.#lastEpoch = Math.max(this.#lastEpoch, known.epoch);
    }
    this.#saved = this.#byId();
  }

  async of(id: string): Promise<Lease[]> {
    return Array.from(this.heldFor(id), ({ lease }) => lease);
  }

  async among(ids: readonly string[]): Promise<Lease[]> {
    const found: Lease[] = [];
    for (const id of ids) for (const { lease } of this.#held.get(id)?.values() ?? []) found.push(lease);
    return found;
  }

  async all(): Promise<Lease[]> {
    return Array.from(this.#all(), ({ lease }) => lease);
  }

  /** There is no other host. */
  own(): Promise<Lease[]> {
    return this.all();
  }

  onOrphaned(): () => void {
    return ignore;
  }

  onElsewhere(): () => void {
    return ignore;
  }

  async disconnected(): Promise<void> {}

  /** The leases of a session now, for a caller that cannot wait between the look and its change. */
  heldFor(id: string): HeldLease[] {
    return [...(this.#held.get(id)?.values() ?? [])];
  }

  /** How many leases a session has. */
  countFor(id: string): number {
    return this.#held.get(id)?.size ?? 0;
  }

  async acquire(id: SessionId, request: LeaseRequest): Promise<Acquired> {
    const { generation } = this.#options.admit(id);
    const since = formatTimestamp(this.#options.clock.now());
    const session = { id, leases: this.#leasesOf(id), generation };
    const { held, before, token } = beginLease(session, request, since, this.#lastEpoch + 1);
    this.#lastEpoch = held.lease.epoch;
    if (before !== undefined) this.#takeOut(before);
    this.#put(held);
    try {
      await this.#save();
    } catch (error) {
      const saved = this.#saved.get(held.id);
      if (this.#takeOut(held) && saved !== undefined) this.#put(saved);
      throw error;
    }
    return { lease: held.lease, token };
  }

  async release(id: SessionId, epoch: number): Promise<void> {
    const held = this.#held.get(id)?.get(epoch);
    if (held === undefined) return;
    this.#takeOut(held);
    try {
      await this.#save();
    } finally {
      if (held.lease.shared) await this.#options.onReleased(held);
    }
  }

  /**
   * Ends the leases of a removed session. If the record cannot be written, the next start finds no such
   * session.
   */
  drop(id: string): void {
    if (this.#held.delete(id)) this.#save().catch(ignore);
  }

  /** As the rule of this name. */
  assertMayReport(id: string, epoch: number | undefined): HeldLease | undefined {
    return assertMayReport(id, this.#leasesOf(id), epoch);
  }

  /** As the rule of this name. */
  assertMayRequeue(id: string, epoch: number | undefined): void {
    assertMayRequeue(id, this.#leasesOf(id), epoch);
  }

  /** Whether the lease of an epoch is shared; false if there is no such lease. */
  isShared(id: string, epoch: number | undefined): epoch is number {
    return epoch !== undefined && this.#held.get(id)?.get(epoch)?.lease.shared === true;
  }

  /** As the rule of this name. */
  assertShared(id: string, epoch: number): HeldLease {
    return assertShared(id, this.#leasesOf(id), epoch);
  }

  #leasesOf(id: string): ReadonlyMap<number, HeldLease> {
    return this.#held.get(id) ?? none;
  }

  #put(held: HeldLease): void {
    const { session_id, epoch } = held.lease;
    const leases = this.#held.get(session_id);
    if (leases === undefined) this.#held.set(session_id, new Map([[epoch, held]]));
    else leases.set(epoch, held);
  }

  /** Whether it was there. */
  #takeOut({ lease: { session_id, epoch } }: HeldLease): boolean {
    const leases = this.#held.get(session_id);
    const wasThere = leases?.delete(epoch) ?? false;
    if (leases?.size === 0) this.#held.delete(session_id);
    return wasThere;
  }

  *#all(): Generator<HeldLease> {
    for (const leases of this.#held.values()) yield* leases.values();
  }

  #byId(): Map<number, HeldLease> {
    return new Map(Array.from(this.#all(), (held) => [held.id, held]));
  }

  /** Callers that wait at the same time share one write, which begins after their change. */
  #save(): Promise<void> {
    if (this.#saving === undefined) return this.#write();
    this.#next ??= this.#saving.then(ignore, ignore).then(() => {
      this.#next = undefined;
      return this.#write();
    });
    return this.#next;
  }

  #write(): Promise<void> {
    const held = this.#byId();
    this.#saving = this.#options.records
      .replace(recordName, {
        last_epoch: this.#lastEpoch,
        leases: Array.from(held.values(), ({ lease, id, tokenHash }) => ({
          ...lease,
          lease_id: id,
          token_sha256: tokenHash?.toString("hex") ?? null,
        })),
      })
      .then(() => {
        this.#saved = held;
      })
      .catch((error: unknown) => {
        // After a crash, a lease that has ended must not exist again.
        if (isSessiondError(error, "storage_full"))
          setTimeout(() => this.#save().catch(ignore), retryMs).unref();
        throw error;
      })
      .finally(() => {
        this.#saving = undefined;
      });
    return this.#saving;
  }
}

function ignore(): void {}
