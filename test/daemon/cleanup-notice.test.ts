/** What the start says of cleanup: what is removed when, and which key turns it off or on. */
import { expect, test } from "vitest";
import { cleanupNotices } from "../../src/daemon/cleanup-notice.ts";
import { cleanupOf, cleanupOptions, trashOptions } from "../retention/sessions.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { openMemoryStore } from "../support/memory-store/memory-store.ts";

async function notices(enabled: readonly string[]): Promise<string[]> {
  const clock = fakeClock();
  const cleanup = cleanupOf(await openMemoryStore({ clock }), clock);
  const { completed, expired, failed, ...rest } = cleanupOptions;
  const switched = <T extends object>(name: string, options: T) => ({
    ...options,
    enabled: enabled.includes(name),
  });
  const options = {
    ...rest,
    completed: switched("completed", completed),
    expired: switched("expired", expired),
    failed: switched("failed", failed),
  };
  await cleanup.configure(options, switched("trash", trashOptions));
  const jobs = await cleanup.schedules();
  return cleanupNotices(
    jobs.map((job) => ({ ...job, next_run: "2026-11-30T03:00:00.000000Z" })),
    "/etc/sessiond/sessiond.yaml",
  );
}

const off = "to turn this off:";
const file = "in /etc/sessiond/sessiond.yaml";
const trashed = "what is removed goes to the trash";
const next = "next at 2026-11-30T03:00Z";

test("each job that runs by itself is said in words, with the key that turns it off", async () => {
  expect(await notices(["completed", "expired", "failed", "trash"])).toEqual([
    `cleanup will keep the 10 most recent completed sessions and remove the others, ${next}; ${trashed}; ${off} cleanup.completed.enabled: false ${file}`,
    `cleanup will remove sessions without activity for 30d, ${next}; ${trashed}; ${off} cleanup.expired.enabled: false ${file}`,
    `cleanup will remove failed sessions without activity for 7d, ${next}; ${trashed}; ${off} cleanup.failed.enabled: false ${file}`,
    `cleanup will permanently delete sessions that have been in the trash for 7d, ${next}; ${off} trash.enabled: false ${file}`,
  ]);
});

test("where the policies are off, it says so, and how one is turned on", async () => {
  expect(await notices([])).toEqual([
    `no session is removed by itself: the policies completed, expired and failed are off; to turn one on: cleanup.expired.enabled: true ${file}`,
  ]);
  expect(await notices(["trash"])).toHaveLength(2);
  expect(await notices(["failed"])).toHaveLength(1);
});
