/**
 * Time slices: long synchronous work yields to the event loop every few milliseconds, so that it does not
 * hold up everybody else.
 *
 * The room async/ owns waiting and taking turns: time slices and queues by key. It knows nothing of what is
 * waited for.
 */

const sliceMs = 5;

const waiting: (() => void)[] = [];
let started = Number.NEGATIVE_INFINITY;

/**
 * Yields to the event loop if the current slice has lasted 5 ms; else resolves at once. At most one slice
 * runs in each turn of the event loop, however many tasks call this.
 */
export async function yieldIfDue(): Promise<void> {
  if (performance.now() - started < sliceMs) return;
  await new Promise<void>((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(resumeOne);
  });
}

/** How many small items, such as names or keys, are handled between two calls of {@link yieldIfDue}. */
export const itemsPerSlice = 1000;

/** Calls `take` for each item, and yields to the event loop in between. */
export async function eachInSlices<T>(items: Iterable<T>, take: (item: T) => void): Promise<void> {
  let count = 0;
  for (const item of items) {
    take(item);
    if (++count % itemsPerSlice === 0) await yieldIfDue();
  }
}

function resumeOne(): void {
  started = performance.now();
  const resume = waiting.shift();
  if (waiting.length > 0) setImmediate(resumeOne);
  resume?.();
}
