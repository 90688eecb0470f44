/**
 * The files of a run that has its session to itself: which are left, which are worked on, which have ended,
 * and how many of each. It follows the session, whose files others may change while the run is held or its
 * connection is lost. Pure.
 */
import type { Session } from "../session/session.ts";
import type { Begin, RunFiles } from "./run-files.ts";

type Files = Pick<Session, "processed_files" | "pending_files">;

export class ListedFiles implements RunFiles {
  /** Files that have not begun are those from `#position` on, in the order in which they begin. */
  #list: string[] = [];
  #position = 0;
  /** Files that were refused: they begin after the others, in this order. */
  readonly #deferred = new Set<string>();
  readonly #working = new Set<string>();
  /** The files whose results this run has recorded, and whether each succeeded. */
  readonly #ended = new Map<string, boolean>();
  #done = 0;
  /** Processed by earlier runs, and not again by this one. */
  #earlier = 0;
  #failedEarlier: ReadonlySet<string>;

  /** `failedEarlier`: the processed files that failed in earlier runs. */
  constructor(session: Files, failedEarlier: Iterable<string>) {
    this.#failedEarlier = new Set(failedEarlier);
    this.follow(session);
  }

  /** Takes over the lists of the session. What this run works on is not in question. */
  follow({ processed_files, pending_files }: Files): void {
    const pending = new Set(pending_files);
    // If another program put a file into both lists, it counts as pending.
    const processed = new Set(processed_files.filter((file) => !pending.has(file)));
    for (const file of this.#deferred) if (!pending.has(file)) this.#deferred.delete(file);
    this.#list = [...pending].filter((file) => !this.#working.has(file) && !this.#deferred.has(file));
    this.#position = 0;
    for (const file of this.#ended.keys()) if (!processed.has(file)) this.#ended.delete(file);
    const isEarlier = (file: string) => !this.#ended.has(file) && !this.#working.has(file);
    this.#failedEarlier = new Set(
      [...this.#failedEarlier].filter((file) => processed.has(file) && isEarlier(file)),
    );
    this.#earlier = [...processed].filter(isEarlier).length;
    this.#done = [...this.#ended.values()].filter(Boolean).length;
  }

  begin({ mayBeginFresh = true }: Begin = {}): string | undefined {
    const [deferred] = this.#deferred;
    const file = mayBeginFresh && this.isFreshLeft ? this.#list[this.#position++] : deferred;
    if (file === undefined) return undefined;
    this.#deferred.delete(file);
    this.#working.add(file);
    return file;
  }

  end(file: string, { succeeded }: { succeeded: boolean }): void {
    this.#working.delete(file);
    this.#ended.set(file, succeeded);
    if (succeeded) this.#done++;
  }

  putBack(file: string): void {
    this.#working.delete(file);
    if (this.#position > 0) this.#list[--this.#position] = file;
    else this.#list.unshift(file);
  }

  defer(file: string): void {
    this.#working.delete(file);
    this.#deferred.add(file);
  }

  drop(file: string): void {
    this.#working.delete(file);
  }

  get left(): number {
    return this.#list.length - this.#position + this.#deferred.size;
  }

  get isThrough(): boolean {
    return this.left === 0;
  }

  get deferred(): number {
    return this.#deferred.size;
  }

  get isFreshLeft(): boolean {
    return this.#position < this.#list.length;
  }

  get count(): number {
    return this.left + this.#working.size + this.#ended.size;
  }

  get doneEarlier(): number {
    return this.#earlier - this.#failedEarlier.size;
  }

  get failedEarlier(): number {
    return this.#failedEarlier.size;
  }

  get done(): number {
    return this.#done;
  }

  get failed(): number {
    return this.#ended.size - this.#done;
  }
}
