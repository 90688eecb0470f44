/**
 * Doubts: a session's file is missing or half written at the moment, because another program renames or
 * rewrites it. Until the doubt is over, the session stays what it was. Knows when to look again, not what is
 * found.
 */

/** Milliseconds from one look at a file in doubt to the next. The last look decides. */
const delaysMs = [20, 50, 100, 130];

/** Thrown by a look for a change: wait until the doubt about the file is over, then begin again. */
export class FileInDoubt extends Error {
  readonly file: string;

  constructor(file: string) {
    super(`${file} is missing or half written at the moment`);
    this.file = file;
  }
}

interface Doubt {
  looks: number;
  timer: NodeJS.Timeout;
  over: Promise<void>;
  resolve: () => void;
}

export class Doubts {
  readonly #doubts = new Map<string, Doubt>();
  readonly #lookAgain: (file: string, isLast: boolean) => Promise<void>;
  #closed = false;

  constructor(lookAgain: (file: string, isLast: boolean) => Promise<void>) {
    this.#lookAgain = lookAgain;
  }

  /** Begins a doubt, or goes on with it. */
  raise(file: string): void {
    if (this.#doubts.has(file) || this.#closed) return;
    const { promise, resolve } = withResolver();
    const doubt: Doubt = { looks: 0, timer: this.#later(file), over: promise, resolve };
    this.#doubts.set(file, doubt);
  }

  has(file: string): boolean {
    return this.#doubts.has(file);
  }

  /** Resolves when there is no doubt about the file. */
  async over(file: string): Promise<void> {
    await this.#doubts.get(file)?.over;
  }

  /** Resolves when the doubts that there are now are over. */
  async allOver(): Promise<void> {
    await Promise.all(Array.from(this.#doubts.values(), (doubt) => doubt.over));
  }

  /** The file was found whole, or is known to be gone or unreadable. */
  end(file: string): void {
    const doubt = this.#doubts.get(file);
    if (doubt === undefined) return;
    clearTimeout(doubt.timer);
    this.#doubts.delete(file);
    doubt.resolve();
  }

  /** Ends every doubt without a decision. */
  close(): void {
    this.#closed = true;
    for (const file of [...this.#doubts.keys()]) this.end(file);
  }

  #later(file: string, looks = 0): NodeJS.Timeout {
    return setTimeout(() => void this.#look(file), delaysMs[looks]);
  }

  async #look(file: string): Promise<void> {
    const doubt = this.#doubts.get(file);
    if (doubt === undefined) return;
    doubt.looks++;
    const isLast = doubt.looks === delaysMs.length;
    try {
      await this.#lookAgain(file, isLast);
    } finally {
      if (isLast) this.end(file);
      else if (this.#doubts.get(file) === doubt) doubt.timer = this.#later(file, doubt.looks);
    }
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
