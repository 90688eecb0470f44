import { expect, test } from "vitest";
import { kill, plansFor } from "../e2e/kill-plans.ts";
import { crashRounds } from "../e2e/kill-rounds.ts";

test("fifty rounds of kills, of daemons that replay the journal as well, lose nothing", async () => {
  const { acknowledged, read, inReplay } = await crashRounds({
    plans: plansFor(50),
    readers: 2,
    crash: kill,
  });
  expect(acknowledged).toBeGreaterThan(2000);
  expect(read).toBeGreaterThan(2000);
  expect(inReplay).toBeGreaterThan(0);
});
