/** Cleanup beside workers: what one of them holds is kept. */
import { expect, test } from "vitest";
import type { CleanupResult } from "../../src/contract/replies.ts";
import { runPass } from "../../src/retention/pass.ts";
import { plan } from "../../src/retention/policy.ts";
import type { SessionId } from "../../src/session/session-id.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import type { Clock } from "../../src/time/clock.ts";
import { allSummaries } from "../support/all-summaries.ts";
import { fakeClock } from "../support/fake-clock.ts";
import { openMemoryStore } from "../support/memory-store/memory-store.ts";
import { cleanupOf, cleanupOptions, trashOptions } from "./sessions.ts";

async function open(clock: Clock) {
  const store = await openMemoryStore({ clock });
  return { store, cleanup: cleanupOf(store, clock) };
}

test("what a worker holds is kept as leased, also if it came after the plan, and is no failure", async () => {
  const clock = fakeClock();
  const { store, cleanup } = await open(clock);
  const [first, second, third] = (await createFailed(store, 3)) as [SessionId, SessionId, SessionId];
  await store.leases.acquire(first, {});
  const request = { policy: "failed", trigger: "request", maxAgeMs: 0 } as const;
  const dryRun = await cleanup.run({ ...request, dryRun: true });
  expect(reasonsOf(dryRun)).toMatchObject({ [first]: "leased", [third]: "failed_past_max_age" });

  const early = plan(await allSummaries(store), { name: "failed", maxAgeMs: 0 }, clock.now());
  const { epoch } = (await store.leases.acquire(second, {})).lease;
  const passed = await runPass({
    store,
    plan: early,
    trigger: "request",
    dryRun: false,
    signal: new AbortController().signal,
    clock,
    record: async () => {},
  });
  expect([passed.outcome, passed.removed, passed.failures]).toEqual(["done", 1, []]);
  expect(reasonsOf(passed)).toMatchObject({ [first]: "leased", [second]: "leased" });

  await store.leases.release(second, epoch);
  expect((await cleanup.run(request)).removed).toBe(1);
  expect((await allSummaries(store)).map((session) => session.session_id)).toEqual([first]);
});

test("an approval removes nothing that a worker holds by now, as its dry run says", async () => {
  const { store, cleanup } = await open(fakeClock());
  const ids = await createFailed(store, 12);
  await cleanup.configure(
    { ...cleanupOptions, failed: { ...cleanupOptions.failed, maxAgeMs: 0 } },
    trashOptions,
  );
  const held = await cleanup.run({ policy: "failed", trigger: "schedule" });
  expect(held.outcome).toBe("waiting_approval");
  await store.leases.acquire(ids[5] as SessionId, {});
  const approval = { policy: "failed", trigger: "request", approve: held.plan_id } as const;
  const dryRun = await cleanup.run({ ...approval, dryRun: true });
  const real = await cleanup.run(approval);
  for (const result of [dryRun, real]) {
    expect([result.removed, reasonsOf(result)[ids[5] as string], result.failures]).toEqual([
      11,
      "leased",
      [],
    ]);
  }
  expect((await allSummaries(store)).map((session) => session.session_id)).toEqual([ids[5]]);
});

async function createFailed(store: SessionStore, count: number): Promise<SessionId[]> {
  const ids = Array.from({ length: count }, (_, at) => `failed-${at}` as SessionId);
  for (const session_id of ids) await store.create({ session_id, config: { target_path: "/src" } });
  for (const id of ids) await store.apply(id, { type: "transition", verb: "fail" });
  return ids;
}

function reasonsOf({ decisions }: CleanupResult): Record<string, string> {
  return Object.fromEntries(decisions.map(({ session_id, reason }) => [session_id, reason]));
}
