/** What follows the status of a worker leaves no listener behind. */
import { expect, it } from "vitest";
import { followStatus } from "../../../src/client/worker/follow-status.ts";
import { WorkStatus } from "../../../src/client/worker/work-status.ts";
import { eventually } from "../../support/eventually.ts";

it("gathers no listeners, however often the session is paused", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on("warning", warned);
  const status = new WorkStatus("a");
  const told: string[] = [];
  const unfollow = followStatus(status, {
    paused: () => told.push("paused"),
    resumed: () => told.push("resumed"),
    stopped: () => told.push("stopped"),
  });
  for (let round = 1; round <= 12; round++) {
    status.follow("paused", null);
    status.follow("running", null);
    await eventually(() => expect(told).toHaveLength(2 * round));
  }
  unfollow();
  status.follow("paused", null);
  // Node.js emits warnings in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("warning", warned);
  expect(warnings).toEqual([]);
  expect(new Set(told.slice(-2))).toEqual(new Set(["paused", "resumed"]));
  expect(told).toHaveLength(24);
});
