/** Runs tasks one after another for each key, and different keys side by side. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<unknown>>();

  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before === undefined ? task() : before.then(task, task);
    const tail = result
      .catch(() => {})
      .finally(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return result;
  }

  /** Resolves when everything that was asked for, also meanwhile, is finished. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }
}

/** Lets other work run between slices of a long one, so that the event loop never stalls. */
export class Slices {
  #start = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#start < sliceMs) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#start = performance.now();
  }
}

const sliceMs = 5;
