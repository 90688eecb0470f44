/** Progress that is told from time to time: by session, the state last seen, and what it stands for. Pure. */
import type { SessionSummary } from "../../session/session.ts";
import { type EventBody, factsOf } from "./changes.ts";

interface Untold {
  /** The revision of the state that was told. */
  since: number;
  outside: boolean;
  summary: SessionSummary;
}

export class CoalescedProgress {
  readonly #untold = new Map<string, Untold>();

  get size(): number {
    return this.#untold.size;
  }

  add(before: SessionSummary, after: SessionSummary, outside: boolean): void {
    const known = this.#untold.get(after.session_id);
    this.#untold.set(after.session_id, {
      since: known?.since ?? before.revision,
      outside: outside || known?.outside === true,
      summary: after,
    });
  }

  /** What is to be told of one session now, if anything. It is not told again. */
  take(id: string): EventBody | undefined {
    const untold = this.#untold.get(id);
    if (untold === undefined) return undefined;
    this.#untold.delete(id);
    const { summary, since, outside } = untold;
    return {
      kind: "session.progress",
      ...factsOf(summary),
      outside,
      coalesced: Math.max(1, summary.revision - since),
    };
  }

  /** Likewise, of every session. */
  *takeAll(): Generator<EventBody> {
    for (const id of this.#untold.keys()) {
      const event = this.take(id);
      if (event !== undefined) yield event;
    }
  }
}
