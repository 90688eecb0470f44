const sliceMs = 5;

const waiting: (() => void)[] = [];
let started = Number.NEGATIVE_INFINITY;

/**
 * Lets other work run between slices of a long one, so that the event loop does not stall: resolves at once while the slice
 * is young, else in a later turn of the loop. However many long works there are, only one of them has a slice in one turn.
 */
export async function nextSlice(): Promise<void> {
  if (performance.now() - started < sliceMs) return;
  await new Promise<void>((resolve) => {
    waiting.push(resolve);
    if (waiting.length === 1) setImmediate(resumeOne);
  });
}

/** So many items of a long list, such as names or keys, are gone through before the next slice may begin. */
export const itemsPerSlice = 1000;

/** Gives each item to `take`, in slices. */
export async function eachInSlices<T>(items: Iterable<T>, take: (item: T) => void): Promise<void> {
  let count = 0;
  for (const item of items) {
    take(item);
    if (++count % itemsPerSlice === 0) await nextSlice();
  }
}

function resumeOne(): void {
  started = performance.now();
  const resume = waiting.shift();
  if (waiting.length > 0) setImmediate(resumeOne);
  resume?.();
}
