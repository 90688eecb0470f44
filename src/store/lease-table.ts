/**
 * The leases: one worker at a time may report on a session. Each lease has a new epoch, also across restarts,
 * so that a late write under an old epoch is refused (a fencing token). Does not decide how long a lease
 * lasts.
 */
import { isSessiondError, SessiondError } from "../error.ts";
import { isJsonObject, type JsonValue } from "../json/exact-json.ts";
import type { SessionId } from "../session/session-id.ts";
import type { Lease, LeaseRequest, Leases, Records } from "./session-store.ts";

const recordName = "leases";
const retryMs = 5000;

interface Held {
  lease: Lease;
  /** The previous epoch, until the worker has used the new one. */
  previous: number | undefined;
}

export class LeaseTable implements Leases {
  readonly #records: Pick<Records, "load" | "replace">;
  readonly #admit: (id: SessionId) => void;
  readonly #held = new Map<string, Held>();
  /** The leases that the record on disk has. */
  #saved: ReadonlyMap<string, Held> = new Map();
  #lastEpoch = 0;
  #saving: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `admit` throws if the session does not exist, or if no change may begin. */
  constructor(records: Pick<Records, "load" | "replace">, admit: (id: SessionId) => void) {
    this.#records = records;
    this.#admit = admit;
  }

  /** Loads the leases that an earlier run left. */
  async load(): Promise<void> {
    const record = await this.#records.load(recordName);
    // Even if the record is lost, no epoch is given out twice.
    this.#lastEpoch = Date.now();
    if (!isJsonObject(record)) return;
    this.#lastEpoch = Math.max(this.#lastEpoch, Number(record.last_epoch) || 0);
    for (const entry of Array.isArray(record.leases) ? (record.leases as JsonValue[]) : []) {
      if (!isJsonObject(entry) || typeof entry.session_id !== "string") continue;
      const { session_id, epoch, worker } = entry as unknown as Lease;
      this.#held.set(session_id, { lease: { session_id, epoch, worker }, previous: undefined });
      this.#lastEpoch = Math.max(this.#lastEpoch, epoch);
    }
    this.#saved = new Map(this.#held);
  }

  async get(id: string): Promise<Lease | undefined> {
    return this.heldFor(id);
  }

  async all(): Promise<Lease[]> {
    return this.#all();
  }

  /** The lease of a session now, for a caller that cannot wait between the look and its change. */
  heldFor(id: string): Lease | undefined {
    return this.#held.get(id)?.lease;
  }

  async acquire(id: SessionId, { worker, epoch }: LeaseRequest): Promise<Lease> {
    this.#admit(id);
    const held = this.#held.get(id);
    if (epoch === undefined) {
      if (held !== undefined) throw leaseHeld(held.lease);
    } else if (held === undefined || (epoch !== held.lease.epoch && epoch !== held.previous)) {
      throw leaseLost(id, epoch);
    }
    const lease = { session_id: id, epoch: ++this.#lastEpoch, worker: worker ?? held?.lease.worker ?? null };
    this.#held.set(id, { lease, previous: epoch });
    try {
      await this.#save();
    } catch (error) {
      if (this.#held.get(id)?.lease === lease) this.#put(id, this.#saved.get(id));
      throw error;
    }
    return lease;
  }

  async release(id: SessionId, epoch: number): Promise<void> {
    if (this.#held.get(id)?.lease.epoch !== epoch) return;
    this.#held.delete(id);
    await this.#save();
  }

  /**
   * Ends the lease of a removed session. If the record cannot be written, the next start finds no such
   * session.
   */
  drop(id: string): void {
    if (this.#held.delete(id)) this.#save().catch(ignore);
  }

  /** @throws SessiondError `lease_held`, `lease_lost` */
  assertMayReport(id: string, epoch: number | undefined): void {
    const held = this.#held.get(id);
    if (epoch === undefined) {
      if (held !== undefined) throw leaseHeld(held.lease);
      return;
    }
    if (held?.lease.epoch !== epoch) throw leaseLost(id, epoch);
    held.previous = undefined;
  }

  #all(): Lease[] {
    return Array.from(this.#held.values(), ({ lease }) => lease);
  }

  #put(id: string, held: Held | undefined): void {
    if (held === undefined) this.#held.delete(id);
    else this.#held.set(id, held);
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
    const held = new Map(this.#held);
    this.#saving = this.#records
      .replace(recordName, {
        last_epoch: this.#lastEpoch,
        leases: this.#all().map(({ session_id, epoch, worker }) => ({ session_id, epoch, worker })),
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

export function leaseHeld({ session_id, worker }: Lease): SessiondError {
  const holder = worker === null ? "a worker" : `the worker "${worker}"`;
  return new SessiondError(
    "lease_held",
    `${holder} is attached to "${session_id}", and only that worker may report; stop the worker first`,
  );
}

function leaseLost(id: string, epoch: number): SessiondError {
  return new SessiondError("lease_lost", `the lease of "${id}" with epoch ${epoch} has ended; attach again`);
}

function ignore(): void {}
