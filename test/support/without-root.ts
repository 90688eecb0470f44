import { onTestFinished } from "vitest";

const nobody = 65534;

/**
 * Root passes every permission: for the rest of this test the process has the rights of nobody. Call it
 * before making files.
 */
export function withoutRoot(): void {
  if (process.geteuid?.() !== 0) return;
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
  onTestFinished(() => {
    process.seteuid?.(0);
    process.setegid?.(0);
  });
}
