/** Shows the ends of files one after another, so that outputs do not mix, and keeps their order if wanted. */
import { KeepOrder } from "./keep-order.ts";
import type { FileEnd } from "./runner-options.ts";

/** Bytes that a file without output counts for while it waits. */
const entrySize = 1024;

export class InOrder {
  readonly #order: KeepOrder<FileEnd> | undefined;
  readonly #show: (end: FileEnd) => void | Promise<void>;
  #shown: Promise<void> = Promise.resolve();

  constructor({ keepOrder }: { keepOrder: boolean }, show: (end: FileEnd) => void | Promise<void>) {
    this.#order = keepOrder ? new KeepOrder() : undefined;
    this.#show = show;
  }

  /** Bytes of output that wait for earlier files. */
  get heldBack(): number {
    return this.#order?.size ?? 0;
  }

  /** Takes the end of the file that began at this place; undefined if it stays pending. */
  put(place: number, end: FileEnd | undefined): Promise<void> {
    const size = end === undefined ? 0 : end.stdout.length + end.stderr.length + entrySize;
    const ready = this.#order?.put(place, end, size) ?? (end === undefined ? [] : [end]);
    const turn = this.#shown.then(async () => {
      for (const one of ready) await this.#show(one);
    });
    this.#shown = turn.catch(() => {});
    return turn;
  }
}
