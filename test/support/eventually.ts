/** How tests wait: for a condition, never for a time. */
import { TestRunner } from "vitest";

/**
 * Runs a check until it passes, and returns what it returns. The only deadline is the limit of the test
 * itself, so that a busy machine makes no test fail: shortly before that limit the last failure of the check
 * becomes the test's.
 */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  const end = endOfTest();
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** In terms of `performance.now()`. In a hook there is no test, and only the limit of hooks counts. */
function endOfTest(): number {
  const test = TestRunner.getCurrentTest();
  const started = test?.result?.startTime;
  if (test === undefined || started === undefined) return Number.POSITIVE_INFINITY;
  return started - performance.timeOrigin + test.timeout * 0.95;
}
