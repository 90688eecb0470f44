/**
 * The files of a run that shares its session: those that it has claimed, and the counts of the whole session.
 * It knows no connection.
 */
import type { ClaimsAhead } from "../client/worker/claims-ahead.ts";
import type { Begin, RunFiles } from "./run-files.ts";
import type { SessionCounts } from "./session-counts.ts";

/** What is needed of the claims of a worker. */
export type ClaimedAhead = Pick<ClaimsAhead, "need" | "next" | "ended" | "giveBack" | "isThrough">;

export interface SharedFilesListener {
  /** A refused file may begin that could not. */
  wake(): void;
  /** The result of a file is recorded. */
  ended(): void;
}

/** A claim that is not answered for so many milliseconds waits: others hold all the files that are left. */
const answerMs = 250;

export class SharedFiles implements RunFiles {
  readonly #claimed: ClaimedAhead;
  readonly #counts: SessionCounts;
  readonly #on: SharedFilesListener;
  /** Files that have begun and stay pending: they begin before all others, the last one first. */
  readonly #back: string[] = [];
  /** Files that were refused: they begin after the others, in this order. */
  readonly #deferred = new Set<string>();
  readonly #working = new Set<string>();
  #isClosed = false;
  /** Since when no fresh file is here. */
  #askedMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(claimed: ClaimedAhead, counts: SessionCounts, on: SharedFilesListener) {
    this.#claimed = claimed;
    this.#counts = counts;
    this.#on = on;
  }

  begin({ free = 1, mayBeginFresh = true }: Begin = {}): string | undefined {
    const file = (mayBeginFresh ? this.#fresh(free) : undefined) ?? this.#refused(mayBeginFresh);
    if (file !== undefined) this.#working.add(file);
    return file;
  }

  #fresh(free: number): string | undefined {
    if (this.#isClosed) return undefined;
    const back = this.#back.pop();
    if (back !== undefined) return back;
    this.#claimed.need(free, this.#working.size);
    const file = this.#claimed.next();
    if (file === undefined) this.#askedMs ??= performance.now();
    else {
      this.#askedMs = undefined;
      // Claims ahead while this one is worked on, but nothing that would wait for it.
      this.#claimed.need(free - 1, this.#working.size + 1);
    }
    return file;
  }

  /** A refused file comes after those that an answer to the claim under way may bring. */
  #refused(mayBeginFresh: boolean): string | undefined {
    const [file] = this.#deferred;
    if (file === undefined) return undefined;
    const waitMs = (this.#askedMs ?? Number.NEGATIVE_INFINITY) + answerMs - performance.now();
    if (mayBeginFresh && !this.#claimed.isThrough && waitMs > 0) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#on.wake(), Math.ceil(waitMs));
      return undefined;
    }
    this.#deferred.delete(file);
    return file;
  }

  end(file: string, { succeeded }: { succeeded: boolean }): void {
    this.#leave(file);
    this.#counts.ended({ succeeded });
    this.#on.ended();
  }

  putBack(file: string): void {
    this.#leave(file);
    if (this.#isClosed) this.#claimed.giveBack([file]);
    else this.#back.push(file);
  }

  defer(file: string): void {
    this.#leave(file);
    if (this.#isClosed) this.#claimed.giveBack([file]);
    else this.#deferred.add(file);
  }

  drop(file: string): void {
    this.#leave(file);
  }

  /** No more files begin: others may have those that wait here. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    const files = [...this.#back.splice(0), ...this.#deferred];
    this.#deferred.clear();
    if (files.length > 0) this.#claimed.giveBack(files);
  }

  #leave(file: string): void {
    this.#working.delete(file);
    this.#claimed.ended(file);
  }

  get left(): number {
    return Math.max(0, this.#counts.pending - this.#working.size);
  }

  get isThrough(): boolean {
    return this.#back.length === 0 && this.#deferred.size === 0 && this.#claimed.isThrough;
  }

  get deferred(): number {
    return this.#deferred.size;
  }

  get isFreshLeft(): boolean {
    return this.left > this.#deferred.size;
  }

  get count(): number {
    return this.left + this.#working.size + this.done + this.failed;
  }

  get done(): number {
    return this.#counts.done;
  }

  get failed(): number {
    return this.#counts.failed;
  }

  get doneEarlier(): number {
    return this.#counts.doneEarlier;
  }

  get failedEarlier(): number {
    return this.#counts.failedEarlier;
  }
}
