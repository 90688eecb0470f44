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
