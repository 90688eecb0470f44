/**
 * When a file that cannot be read is read again, because another program may still be writing it. Does not
 * know what is found, nor where such files are reported.
 */

/** Milliseconds from one look to the next. */
const delaysMs = [100, 200, 400, 800];

export class ReadRetries {
  readonly #retries = new Map<string, { attempts: number; timer: NodeJS.Timeout }>();
  readonly #lookAgain: (file: string) => void;
  #closed = false;

  constructor(lookAgain: (file: string) => void) {
    this.#lookAgain = lookAgain;
  }

  /** True if the file will be looked at again; false once that was done often enough. */
  retryLater(file: string): boolean {
    const known = this.#retries.get(file);
    clearTimeout(known?.timer);
    const attempts = known?.attempts ?? 0;
    const delay = delaysMs[attempts];
    if (delay === undefined || this.#closed) {
      this.#retries.delete(file);
      return false;
    }
    const timer = setTimeout(() => this.#lookAgain(file), delay).unref();
    this.#retries.set(file, { attempts: attempts + 1, timer });
    return true;
  }

  /** The file was read, or is gone. */
  forget(file: string): void {
    clearTimeout(this.#retries.get(file)?.timer);
    this.#retries.delete(file);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#retries.values()) clearTimeout(timer);
  }
}
