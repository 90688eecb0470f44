/** Runs a check until it passes and returns what it returns; at the deadline its last failure is the test's. */
export async function eventually<T>(check: () => T | Promise<T>, deadlineMs = 5000): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
