/**
 * The leases: one worker at a time may report on a session. Each connection has a new epoch, also across
 * restarts, so that a late write under an old epoch is refused (a fencing token). The epoch is public; who
 * comes back proves it by a random token, of which only the hash is kept. Does not decide how long a lease
 * lasts.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { z } from "zod";
import { isSessiondError, SessiondError } from "../error.ts";
import { isOtherGeneration, type SessionSummary } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import type { Acquired, Lease, LeaseRequest, Leases, Records } from "./session-store.ts";

const recordName = "leases";
const retryMs = 5000;
const tokenBytes = 24;
const epochSchema = z
  .int()
  .min(0)
  .max(2 ** 52);

/** What `leases.json` holds. An earlier version kept no hash and no generation. */
export const leasesRecord = z.object({
  last_epoch: epochSchema,
  leases: z.array(
    z.object({
      session_id: z.string().min(1),
      epoch: epochSchema,
      worker: z.string().nullable(),
      process: z.string().nullable().default(null),
      generation: z.string().nullable().default(null),
      token_sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits")
        .nullable()
        .default(null),
    }),
  ),
});

interface Held {
  lease: Lease;
  /** Null if nobody knows the token: the worker cannot come back, and the lease ends after its grace. */
  tokenHash: Buffer | null;
}

export class LeaseTable implements Leases {
  readonly #records: Pick<Records, "load" | "replace">;
  readonly #admit: (id: SessionId) => Pick<SessionSummary, "generation">;
  readonly #held = new Map<string, Held>();
  /** The leases that the record on disk has. */
  #saved: ReadonlyMap<string, Held> = new Map();
  #lastEpoch = 0;
  #saving: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `admit` returns what is known of the session, and throws if there is none, or if no change may begin. */
  constructor(
    records: Pick<Records, "load" | "replace">,
    admit: (id: SessionId) => Pick<SessionSummary, "generation">,
  ) {
    this.#records = records;
    this.#admit = admit;
  }

  /** Loads the leases that an earlier run left. */
  async load(): Promise<void> {
    const record = await this.#records.load(recordName, leasesRecord);
    // Even if the record is lost, no epoch is given out twice.
    this.#lastEpoch = Math.max(Date.now(), record?.last_epoch ?? 0);
    for (const { token_sha256, ...lease } of record?.leases ?? []) {
      const tokenHash = token_sha256 === null ? null : Buffer.from(token_sha256, "hex");
      this.#held.set(lease.session_id, { lease, tokenHash });
      this.#lastEpoch = Math.max(this.#lastEpoch, lease.epoch);
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

  async acquire(id: SessionId, request: LeaseRequest): Promise<Acquired> {
    const { generation } = this.#admit(id);
    const held = this.#held.get(id);
    const tokenHash = request.token === undefined ? null : hashOf(request.token);
    if (tokenHash === null) {
      if (held !== undefined) throw leaseHeld(held.lease);
    } else if (
      held === undefined ||
      held.tokenHash === null ||
      !timingSafeEqual(held.tokenHash, tokenHash) ||
      isOtherGeneration(held.lease.generation, generation)
    ) {
      throw new SessiondError(
        "lease_lost",
        `the token is not that of the lease of "${id}", or the lease has ended; attach again without a token`,
      );
    }
    const { token = randomBytes(tokenBytes).toString("base64url") } = request;
    const worker = request.worker ?? held?.lease.worker ?? null;
    // Another process than before may have the token now.
    const { process = null } = request;
    const lease = { session_id: id, epoch: ++this.#lastEpoch, worker, process, generation };
    this.#held.set(id, { lease, tokenHash: tokenHash ?? hashOf(token) });
    try {
      await this.#save();
    } catch (error) {
      if (this.#held.get(id)?.lease === lease) this.#put(id, this.#saved.get(id));
      throw error;
    }
    return { lease, token };
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
    if (held?.lease.epoch !== epoch) {
      const message = `the lease of "${id}" with epoch ${epoch} has ended; attach again`;
      throw new SessiondError("lease_lost", message);
    }
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
        leases: Array.from(held.values(), ({ lease, tokenHash }) => ({
          ...lease,
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

export function leaseHeld({ session_id, worker }: Lease): SessiondError {
  const holder = worker === null ? "a worker" : `the worker "${worker}"`;
  return new SessiondError(
    "lease_held",
    `${holder} is attached to "${session_id}", and only that worker may report; stop the worker first`,
  );
}

function hashOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function ignore(): void {}
