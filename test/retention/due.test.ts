/** How many sessions each job would remove now is what a dry run says, and removes nothing. */
import { expect, test } from "vitest";
import { jobNames } from "../../src/contract/replies.ts";
import type { SessionId } from "../../src/session/session-id.ts";
import { formatTimestamp } from "../../src/time/clock.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, cleanupOf, manyAged, now } from "./sessions.ts";

test("what is due is counted as a dry run counts it", async () => {
  const clock = fakeClock(formatTimestamp(now));
  const store = new AgedStore(clock, [
    ...manyAged(13, "completed", 1),
    ...manyAged(4, "failed", 10),
    aged("pinned", "failed", 10, { pinned: true }),
    aged("old", "paused", 40),
  ]);
  const cleanup = cleanupOf(store, clock);
  await store.leases.acquire("failed-0" as SessionId, {});
  const due = Object.fromEntries(
    (await cleanup.schedules({ withDue: true })).map((job) => [job.job, job.due]),
  );
  expect(due).toEqual({ completed: 3, failed: 3, expired: 1, trash: 0 });
  for (const policy of jobNames) {
    const { removed } = await cleanup.run({ policy, trigger: "request", dryRun: true });
    expect([policy, due[policy]]).toEqual([policy, removed]);
  }
  expect((await cleanup.schedules()).some((job) => "due" in job)).toBe(false);
});
