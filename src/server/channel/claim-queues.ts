/** The claims that wait, by session. A session has a queue as long as a shared worker of it is connected. */
import { isOtherGeneration, type SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import { ClaimQueue } from "./claim-queue.ts";
import { onceThere } from "./held-calls.ts";

interface Kept {
  readonly queue: ClaimQueue;
  /** Of the session. Another one of the same id has a queue of its own. */
  readonly generation: string | null;
  workers: number;
}

/** The part of one worker in the queue of its session. */
export interface Place {
  readonly queue: ClaimQueue;
  /** The worker is gone. */
  leave(): void;
}

export class ClaimQueues {
  readonly #store: Pick<SessionStore, "availability" | "claims" | "leases">;
  readonly #kept = new Map<string, Kept>();
  readonly #unsubscribe: (() => void)[];

  constructor(store: Pick<SessionStore, "availability" | "claims" | "leases" | "changes">) {
    this.#store = store;
    this.#unsubscribe = [
      store.claims.onFree((id) => this.wake(id)),
      store.changes.onGap(() => {
        for (const id of this.#kept.keys()) this.wake(id);
      }),
    ];
  }

  /** For one more worker of the session. */
  join(summary: SessionSummary): Place {
    const id = summary.session_id as SessionId;
    const { generation } = summary;
    let kept = this.#kept.get(id);
    if (kept === undefined || isOtherGeneration(kept.generation, generation)) {
      const { claims, leases, availability } = this.#store;
      const queue = new ClaimQueue({
        take: (epoch, count) => onceThere(availability, () => claims.take(id, epoch, count)),
        workers: async () => (await onceThere(availability, () => leases.of(id))).length,
      });
      kept = { queue, generation, workers: 0 };
      this.#kept.set(id, kept);
    }
    const joined = kept;
    joined.workers++;
    joined.queue.follow(summary);
    return {
      queue: joined.queue,
      leave: () => {
        if (--joined.workers === 0 && this.#kept.get(id) === joined) this.#kept.delete(id);
      },
    };
  }

  /** The session has changed. */
  follow(summary: SessionSummary): void {
    const kept = this.#kept.get(summary.session_id);
    if (kept === undefined || isOtherGeneration(kept.generation, summary.generation)) return;
    kept.queue.follow(summary);
  }

  /** A file of the session may be free that was not, or none may be pending any more. */
  wake(id: string): void {
    this.#kept.get(id)?.queue.wake();
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }
}
