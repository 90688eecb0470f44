/** Tells people that the disk of the daemon is full, and when there is space again. Knows no request. */
import { formatDuration } from "../time/duration.ts";

export class FullDisk {
  readonly #patienceMs: number;
  readonly #say: (line: string) => void;
  #isSaid = false;

  /** @param patienceMs for how long a request waits for space, in milliseconds */
  constructor(patienceMs: number, say: (line: string) => void) {
    this.#patienceMs = patienceMs;
    this.#say = say;
  }

  /** A request was refused for want of space, and waits. */
  refused(): void {
    if (this.#isSaid) return;
    this.#isSaid = true;
    this.#say(
      `the disk of the store is full; the run waits ${formatDuration(this.#patienceMs)} at most: free some space`,
    );
  }

  /** A request succeeded. */
  taken(): void {
    if (!this.#isSaid) return;
    this.#isSaid = false;
    this.#say("the disk of the store has space again");
  }
}
