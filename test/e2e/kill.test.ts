import { expect, test } from "vitest";
import { killRounds } from "./kill-rounds.ts";

test("kill -9 at any moment loses nothing that was acknowledged, and nobody reads half a file", async () => {
  const { acknowledged, read } = await killRounds({ rounds: 5, readers: 1 });
  // Else nothing was shown.
  expect(acknowledged).toBeGreaterThan(100);
  expect(read).toBeGreaterThan(100);
});
