/** The claims of a memory store. They outlive it with its memory. */
import type { ProgressDelta } from "../../../src/session/command.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import type { Reporter } from "../../../src/store/admit-report.ts";
import { ClaimedFiles } from "../../../src/store/claimed-files.ts";
import type { HeldLease } from "../../../src/store/lease-rules.ts";
import type { LeaseTable } from "../../../src/store/lease-table.ts";
import type { Claims, Taken } from "../../../src/store/session-store.ts";
import type { Memory } from "./memory.ts";
import type { MemorySessions } from "./memory-sessions.ts";

export interface MemoryClaimsOptions {
  memory: Memory;
  sessions: MemorySessions;
  leases: LeaseTable;
  /** Makes a change, durable as the others. */
  change: <T>(subject: string, make: () => T) => Promise<T>;
}

export class MemoryClaims implements Claims {
  readonly #options: MemoryClaimsOptions;
  readonly #claims: Map<string, ClaimedFiles>;
  readonly #listeners = new Set<(id: string) => void>();

  constructor(options: MemoryClaimsOptions) {
    this.#options = options;
    this.#claims = options.memory.claims;
    for (const [id, left] of this.#claims) {
      const claimed = new ClaimedFiles(() => this.#tellFree(id));
      for (const [file, lease] of left) claimed.restore(file, lease);
      this.#claims.set(id, claimed);
      claimed.replaced(options.sessions.get(id).files);
    }
    options.sessions.onReplaced = (id, files) => this.#claims.get(id)?.replaced(files);
    options.sessions.onGone = (id) => this.#forget(id);
  }

  take(id: SessionId, epoch: number, count: number): Promise<Taken> {
    const { sessions, leases, change } = this.#options;
    return change(id, () => {
      const { files, session } = sessions.get(id);
      const { id: lease } = leases.assertShared(id, epoch);
      const claimed = this.of(id);
      const fair = Math.max(1, Math.ceil(claimed.free(files) / leases.countFor(id)));
      const wanted = session.status === "running" ? Math.min(count, fair) : 0;
      const taken = claimed.take(files, lease, wanted);
      return { files: taken, left: files.pendingCount, free: claimed.free(files) };
    });
  }

  giveBack(id: SessionId, epoch: number, files: readonly string[]): Promise<void> {
    const { sessions, leases, change } = this.#options;
    return change(id, () => {
      const kept = sessions.get(id);
      const { id: lease } = leases.assertShared(id, epoch);
      this.of(id).leave(id, lease, files);
      this.of(id).giveBack(kept.files, lease, files);
    });
  }

  async held(id: SessionId, epoch: number): Promise<string[]> {
    const { sessions, leases } = this.#options;
    const { files } = sessions.get(id);
    return this.of(id).held(files, leases.assertShared(id, epoch).id);
  }

  async counts(id: string): Promise<Map<number, number>> {
    const shared = this.#options.leases.heldFor(id).filter(({ lease }) => lease.shared);
    return new Map(shared.map((held) => [held.lease.epoch, this.of(id).count(held.id)]));
  }

  onFree(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  of(id: string): ClaimedFiles {
    let claimed = this.#claims.get(id);
    if (claimed === undefined) {
      claimed = new ClaimedFiles(() => this.#tellFree(id));
      this.#claims.set(id, claimed);
    }
    return claimed;
  }

  /** A lease of a session that is there, as one that reports. */
  reporter(id: string, lease: number): Reporter {
    const { files } = this.#options.sessions.get(id);
    return { id, claimed: this.of(id), lease, files: () => files };
  }

  reported(id: string, delta: ProgressDelta): void {
    this.#claims.get(id)?.reported(delta);
  }

  async released({ id: lease, lease: { session_id: id } }: HeldLease): Promise<void> {
    const { sessions, leases } = this.#options;
    const files = sessions.has(id) ? sessions.get(id).files : undefined;
    const claimed = this.#claims.get(id);
    claimed?.endLease(files, lease);
    // Other leases may have ended that have not given back their files yet.
    if (leases.countFor(id) === 0 && claimed?.isEmpty) this.#claims.delete(id);
  }

  #forget(id: string): void {
    if (this.#claims.delete(id)) this.#tellFree(id);
  }

  #tellFree(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}
