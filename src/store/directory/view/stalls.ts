/** Stalls of the event loop, during which the kernel's queue of file events may have overflowed silently. */

/** A stall of so many milliseconds counts. */
const stallMs = 1000;
const lookMs = stallMs / 2;

/** Calls `onLook` from time to time, and `onStall` after a stall. Returns what ends that. */
export function watchForStalls(onLook: () => void, onStall: () => void): () => void {
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    if (now - last > stallMs + lookMs) onStall();
    last = now;
    onLook();
  }, lookMs).unref();
  return () => clearInterval(timer);
}
