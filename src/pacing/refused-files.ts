/**
 * Counts how often each file was refused while others succeeded: then the reason is the file, not the
 * service. Pure.
 */

/** A file that is refused so often counts as failed. */
export const mostRefusals = 20;

interface Refused {
  /** Refusals that count. */
  count: number;
  /** Successes of all files at its first refusal, and at its latest one. */
  readonly firstAt: number;
  latestAt: number;
}

export class RefusedFiles {
  readonly #files = new Map<string, Refused>();
  #successes = 0;

  get size(): number {
    return this.#files.size;
  }

  /** Called when a file has succeeded. */
  succeeded(file: string): void {
    this.#successes++;
    this.#files.delete(file);
  }

  /**
   * Called when a file was refused. Returns true if the file was refused {@link mostRefusals} times while
   * others succeeded: each time at least one file had succeeded since the refusal before. Once only refused
   * files are left, no other file can succeed any more; then it is enough that one did after the first
   * refusal.
   */
  refused(file: string, { isOtherLeft }: { readonly isOtherLeft: boolean }): boolean {
    const successes = this.#successes;
    const known = this.#files.get(file);
    if (known === undefined) {
      this.#files.set(file, { count: 1, firstAt: successes, latestAt: successes });
      return false;
    }
    if (successes > (isOtherLeft ? known.latestAt : known.firstAt)) known.count++;
    known.latestAt = successes;
    return known.count >= mostRefusals;
  }

  /** Called when a file has ended otherwise. */
  forget(file: string): void {
    this.#files.delete(file);
  }
}
