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

function resumeOne(): void {
  started = performance.now();
  const resume = waiting.shift();
  if (waiting.length > 0) setImmediate(resumeOne);
  resume?.();
}
