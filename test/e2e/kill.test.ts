import { expect, test } from "vitest";
import { kill, plans } from "./kill-plans.ts";
import { crashRounds } from "./kill-rounds.ts";

// The first two: files that follow at once, and reports that only the journal has. All are in test/long.
test("kill -9 at any moment loses nothing that was acknowledged, and nobody reads half a file", async () => {
  const { acknowledged, read } = await crashRounds({ plans: plans.slice(0, 2), readers: 1, crash: kill });
  // Else nothing was shown.
  expect(acknowledged).toBeGreaterThan(100);
  expect(read).toBeGreaterThan(100);
}, 60_000);
