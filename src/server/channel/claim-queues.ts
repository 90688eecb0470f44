/** The claims that wait, by session. A session has a queue as long as a shared worker of it is connected. */
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { ClaimQueue } from "./claim-queue.ts";

interface Kept {
  readonly queue: ClaimQueue;
  workers: number;
}

export class ClaimQueues {
  readonly #store: Pick<SessionStore, "claims" | "leases">;
  readonly #kept = new Map<string, Kept>();
  readonly #unsubscribe: () => void;

  constructor(store: Pick<SessionStore, "claims" | "leases">) {
    this.#store = store;
    this.#unsubscribe = store.claims.onFree((id) => this.wake(id));
  }

  /** The queue of a session, for one more worker. `leave` is its counterpart. */
  join(summary: Pick<SessionSummary, "session_id" | "status" | "revision" | "pending_count">): ClaimQueue {
    const id = summary.session_id as SessionId;
    let kept = this.#kept.get(id);
    if (kept === undefined) {
      const { claims, leases } = this.#store;
      const queue = new ClaimQueue({
        take: (epoch, count) => claims.take(id, epoch, count),
        workers: async () => (await leases.of(id)).length,
      });
      kept = { queue, workers: 0 };
      this.#kept.set(id, kept);
    }
    kept.workers++;
    kept.queue.follow(summary);
    return kept.queue;
  }

  leave(id: string): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined && --kept.workers === 0) this.#kept.delete(id);
  }

  /** The session has changed. */
  follow(summary: SessionSummary): void {
    this.#kept.get(summary.session_id)?.queue.follow(summary);
  }

  /** A file of the session may be free that was not, or none may be pending any more. */
  wake(id: string): void {
    this.#kept.get(id)?.queue.wake();
  }

  close(): void {
    this.#unsubscribe();
  }
}
