/**
 * The peer of the pacing benchmark: a loop that adapts how many calls run at once by plain additive increase
 * and halving, as most hand-written ones do, and waits as long as Retry-After says.
 */

/** How one call ended: it was served, or it was refused and may be made again after this time. */
export type CallEnd = "served" | { readonly retryAfterMs: number };

/** Makes this many calls, each until it is served, at most `atMost` at once. */
export async function plainIncrease(
  calls: number,
  atMost: number,
  call: () => Promise<CallEnd>,
): Promise<void> {
  let left = calls;
  let running = 0;
  let window = atMost;
  let waitEndsMs = 0;
  let slowedMs = 0;
  await new Promise<void>((resolve, reject) => {
    const begin = async () => {
      const begunMs = performance.now();
      left--;
      running++;
      const end = await call();
      running--;
      if (end === "served") window = Math.min(atMost, window + 1 / window);
      else {
        left++;
        const nowMs = performance.now();
        if (begunMs >= slowedMs) {
          slowedMs = nowMs;
          window = Math.max(1, window / 2);
        }
        waitEndsMs = Math.max(waitEndsMs, nowMs + end.retryAfterMs);
        setTimeout(pump, end.retryAfterMs + 1);
      }
      pump();
    };
    const pump = () => {
      if (left === 0 && running === 0) resolve();
      while (left > 0 && running < Math.floor(window) && performance.now() >= waitEndsMs) {
        begin().catch(reject);
      }
    };
    pump();
  });
}
