import { expect, test } from "vitest";
import { killRounds } from "../e2e/kill-rounds.ts";

test("sixty kills, with daemons killed while they start as well, lose nothing", async () => {
  const { acknowledged, read } = await killRounds({ rounds: 60, duringStart: true, readers: 2 });
  expect(acknowledged).toBeGreaterThan(2000);
  expect(read).toBeGreaterThan(2000);
});
