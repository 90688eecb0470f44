/**
 * Whose turn it is when a job is due: all daemons of a store have the same schedules, and one of them does
 * the work. Knows no job.
 */
import type { Micros } from "../time/clock.ts";

/** The scheduled times of jobs. */
export interface Slots {
  /**
   * Takes the slot of a job at a scheduled time, unless its work is done or another daemon is at it. A daemon
   * that took a slot and has shown no sign of life since for as long as `storage.lease_ttl` has lost it. No
   * slot can be taken before its time, by the clock of the store.
   */
  take(job: string, at: Micros): Promise<SlotAnswer>;
}

export type SlotAnswer =
  | { readonly state: "taken"; readonly slot: Slot }
  /** The work is done. */
  | { readonly state: "ended" }
  /** Another daemon is at it, or its time has not come: to be asked again then, in milliseconds. */
  | { readonly state: "busy"; readonly askAgainMs: number };

/** A slot that this daemon has taken. The store shows that the daemon is alive, until it is given up. */
export interface Slot {
  /** Whether the work was begun before, and not finished. */
  readonly wasBegun: boolean;
  /** Aborted, with an error that says so, when another daemon has, or may have, taken the slot over. */
  readonly lost: AbortSignal;
  /** The work is done: nobody takes the slot any more. */
  end(): Promise<void>;
  /** The work is not done: anybody may take the slot, at once. */
  leave(): Promise<void>;
}

/** Those of a store that has one daemon at a time: each slot is free for it. */
export const slotsOfOneDaemon: Slots = {
  take: async () => ({
    state: "taken",
    slot: {
      wasBegun: false,
      lost: new AbortController().signal,
      end: async () => {},
      leave: async () => {},
    },
  }),
};
