/** Merges the progress of each session until it is announced in one event. Pure. */
import type { SessionSummary } from "../../session/session.ts";
import type { StoreChange } from "../../store/session-store.ts";
import { type EventBody, factsOf } from "./changes.ts";

interface Progress {
  /** The revision that was announced last. */
  since: number;
  outside: boolean;
  summary: SessionSummary;
}

export class CoalescedProgress {
  readonly #progress = new Map<string, Progress>();

  get size(): number {
    return this.#progress.size;
  }

  add(before: SessionSummary, after: SessionSummary, origin: StoreChange["origin"]): void {
    const earlier = this.#progress.get(after.session_id);
    this.#progress.set(after.session_id, {
      since: earlier?.since ?? before.revision,
      outside: origin === "outside" || earlier?.outside === true,
      summary: after,
    });
  }

  /** Removes and returns the progress of one session as an event; undefined if there is none. */
  take(id: string): EventBody | undefined {
    const progress = this.#progress.get(id);
    if (progress === undefined) return undefined;
    this.#progress.delete(id);
    const { summary, since, outside } = progress;
    return {
      kind: "session.progress",
      ...factsOf(summary),
      outside,
      coalesced: Math.max(1, summary.revision - since),
    };
  }

  /** Removes and returns the progress of every session. */
  *takeAll(): Generator<EventBody> {
    for (const id of this.#progress.keys()) {
      const event = this.take(id);
      if (event !== undefined) yield event;
    }
  }
}
