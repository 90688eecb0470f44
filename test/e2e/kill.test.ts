import { expect, test } from "vitest";
import { kill, plansFor } from "./kill-plans.ts";
import { crashRounds } from "./kill-rounds.ts";

test("kill -9 at any moment loses nothing that was acknowledged, and nobody reads half a file", async () => {
  const { acknowledged, read } = await crashRounds({ plans: plansFor(5), readers: 1, crash: kill });
  // Else nothing was shown.
  expect(acknowledged).toBeGreaterThan(100);
  expect(read).toBeGreaterThan(100);
}, 60_000);
