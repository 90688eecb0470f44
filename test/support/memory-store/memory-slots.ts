/** The slots of a memory store, for tests with several daemons on one store. */
import type { SlotAnswer, Slots } from "../../../src/store/session-store.ts";
import type { Micros } from "../../../src/time/clock.ts";

interface Kept {
  isEnded: boolean;
  /** Aborted when the owner has lost it. Undefined while nobody has it. */
  owner: AbortController | undefined;
}

const askAgainMs = 1000;

export class MemorySlots implements Slots {
  readonly #slots = new Map<string, Kept>();

  async take(job: string, at: Micros): Promise<SlotAnswer> {
    const key = `${job} ${at}`;
    const known = this.#slots.get(key);
    if (known?.isEnded) return { state: "ended" };
    if (known?.owner !== undefined && !known.owner.signal.aborted) return { state: "busy", askAgainMs };
    const owner = new AbortController();
    const kept: Kept = { isEnded: false, owner };
    this.#slots.set(key, kept);
    const isOurs = () => this.#slots.get(key) === kept && !owner.signal.aborted;
    return {
      state: "taken",
      slot: {
        wasBegun: known?.owner !== undefined,
        lost: owner.signal,
        async end() {
          if (isOurs()) kept.isEnded = true;
        },
        async leave() {
          if (isOurs()) kept.owner = undefined;
        },
      },
    };
  }

  /** Every daemon that has taken a slot has shown no sign of life for too long. */
  lose(): void {
    for (const { isEnded, owner } of this.#slots.values())
      if (!isEnded) owner?.abort(new Error("another daemon goes on with it"));
  }
}
