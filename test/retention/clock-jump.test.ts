/** The system clock is set: what cleanup still removes, and what waits for approval. */
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { type JobName, jobNames } from "../../src/contract/replies.ts";
import { silentLogger } from "../../src/log.ts";
import { Cleanup } from "../../src/retention/cleanup.ts";
import type { Trigger } from "../../src/retention/pass.ts";
import { type FakeMachine, fakeMachine } from "../support/fake-clock.ts";
import { AgedStore } from "./aged-store.ts";
import { aged, cleanupOptions, dayMs, manyAged, trashOptions } from "./sessions.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

function cleanupOf(store: AgedStore, machine: FakeMachine): Cleanup {
  const cleanup = new Cleanup({
    store,
    cleanup: cleanupOptions,
    trash: trashOptions,
    bootTime: machine.bootTime,
    logger: silentLogger,
  });
  onTestFinished(() => cleanup.stop());
  return cleanup;
}

/** Four sessions that were active this week, of which one is running. */
function fewSessions(machine: FakeMachine): AgedStore {
  return new AgedStore(machine.clock, [...manyAged(3, "failed", 1), aged("at-work", "running", 0)]);
}

async function started(store: AgedStore, machine: FakeMachine): Promise<Cleanup> {
  const cleanup = cleanupOf(store, machine);
  await cleanup.noteClock();
  return cleanup;
}

async function waitingOf(cleanup: Cleanup, job: JobName) {
  return (await cleanup.schedules()).find((entry) => entry.job === job)?.waiting ?? null;
}

describe("after the clock was set by more than an hour", () => {
  test.each<[Trigger, number]>([
    ["schedule", 400 * dayMs],
    ["catch_up", 400 * dayMs],
    ["request", 400 * dayMs],
    ["catch_up", 56 * 365 * dayMs],
  ])("a pass by %s removes nothing, on a clock that is %i ms on", async (trigger, byMs) => {
    const machine = fakeMachine();
    const store = fewSessions(machine);
    const cleanup = await started(store, machine);
    machine.set(byMs);
    for (const policy of ["expired", "failed"] as const) {
      const result = await cleanup.run({ policy, trigger });
      expect(result).toMatchObject({ outcome: "waiting_approval", removed: 0 });
      expect(result.warnings.at(-1)).toMatch(/the clock was set forward by \d+ d \(noticed at 2\d{3}-/);
    }
    expect(store.ids()).toHaveLength(4);
  });

  test("a pass that would remove one session waits, and is approved once, with the new time", async () => {
    const machine = fakeMachine();
    const store = new AgedStore(machine.clock, [aged("old", "failed", 5), ...manyAged(9, "running", 0)]);
    const cleanup = await started(store, machine);
    machine.set(3 * dayMs);
    const held = await cleanup.run({ policy: "failed", trigger: "schedule" });
    expect(held).toMatchObject({ outcome: "waiting_approval", removed: 0 });
    expect(await waitingOf(cleanup, "failed")).toMatchObject({ plan_id: held.plan_id, remove: 1 });
    expect(await cleanup.health()).toMatchObject([
      {
        code: "cleanup_waiting_approval",
        message: expect.stringContaining("the clock was set forward by 3 d") as string,
        hint: `to approve: sessionctl cleanup failed --approve ${held.plan_id} --yes; if the clock is wrong: set it right, and the plan is dropped`,
      },
    ]);
    const approved = await cleanup.run({ policy: "failed", trigger: "request", approve: held.plan_id });
    expect(approved).toMatchObject({ outcome: "done", removed: 1 });
    // The time is accepted now, for this job alone.
    store.put(aged("older", "failed", 90));
    expect(await cleanup.run({ policy: "expired", trigger: "schedule" })).toMatchObject({ removed: 0 });
    expect(await waitingOf(cleanup, "expired")).toMatchObject({ remove: 1 });
    expect(await cleanup.run({ policy: "failed", trigger: "schedule" })).toMatchObject({ removed: 1 });
  });

  test("a dry run shows the plan with a warning, and can be approved", async () => {
    const machine = fakeMachine();
    const store = fewSessions(machine);
    const cleanup = await started(store, machine);
    const before = await cleanup.run({ policy: "failed", trigger: "request", maxAgeMs: 0, dryRun: true });
    machine.set(-2 * hourMs);
    machine.pass(3 * dayMs);
    const planned = await cleanup.run({ policy: "failed", trigger: "request", maxAgeMs: 0, dryRun: true });
    expect(planned).toMatchObject({
      outcome: "planned",
      removed: 3,
      warnings: [expect.stringMatching(/^the clock was set back by 2 h \(noticed at/)],
    });
    const again = { policy: "failed", trigger: "request", maxAgeMs: 0 } as const;
    // What was shown before the clock was set says nothing about the time after.
    const early = cleanup.run({ ...again, approve: before.plan_id });
    await expect(early).rejects.toMatchObject({ code: "approval_required" });
    expect(await cleanup.run({ ...again, approve: planned.plan_id })).toMatchObject({ removed: 3 });
  });

  test("a plan that waited before is dropped, and cannot be approved", async () => {
    const machine = fakeMachine();
    const store = new AgedStore(machine.clock, manyAged(5, "failed", 9));
    const cleanup = await started(store, machine);
    const { plan_id } = await cleanup.run({ policy: "failed", trigger: "schedule" });
    expect(await waitingOf(cleanup, "failed")).toMatchObject({ plan_id, remove: 5 });
    machine.set(400 * dayMs);
    expect(await waitingOf(cleanup, "failed")).toBeNull();
    const late = cleanup.run({ policy: "failed", trigger: "request", approve: plan_id });
    await expect(late).rejects.toMatchObject({ code: "approval_required" });
    expect(store.ids()).toHaveLength(5);
  });

  test("the trash stays, until its own plan is approved", async () => {
    const machine = fakeMachine();
    const store = new AgedStore(machine.clock, manyAged(4, "failed", 9));
    const cleanup = await started(store, machine);
    await cleanup.run({ policy: "failed", trigger: "request" });
    expect((await store.listTrash()).total).toBe(4);
    machine.set(400 * dayMs);
    const held = await cleanup.run({ policy: "trash", trigger: "schedule" });
    expect(held).toMatchObject({
      policy: "trash",
      outcome: "waiting_approval",
      removed: 0,
      kept: 4,
      total: 4,
    });
    expect(await waitingOf(cleanup, "trash")).toMatchObject({ plan_id: held.plan_id, remove: 4, total: 4 });
    await expect(cleanup.assertAgesKnown("trash")).rejects.toMatchObject({ code: "approval_required" });
    // What goes to the trash later is not on the approved list.
    store.put(aged("later", "failed", 9));
    const [first] = (await store.listTrash()).entries;
    await store.restoreTrash(first?.session_id as never);
    const removal = store.remove("later" as never, { reason: "deleted" });
    await removal;
    expect((await store.listTrash()).total).toBe(4);
    const approved = await cleanup.run({ policy: "trash", trigger: "request", approve: held.plan_id });
    expect(approved).toMatchObject({ outcome: "done", removed: 3, kept: 1 });
    expect((await store.listTrash()).entries.map((entry) => entry.session_id)).toEqual(["later"]);
    await cleanup.assertAgesKnown("trash");
    const { entries } = await cleanup.history({ limit: 3 });
    expect(entries.every((entry) => entry.job === "trash" && entry.plan_id === held.plan_id)).toBe(true);
  });

  test("a clock that is put right again drops what waits, and cleanup goes on", async () => {
    const machine = fakeMachine();
    const store = new AgedStore(machine.clock, [aged("old", "failed", 9), ...manyAged(9, "running", 0)]);
    const cleanup = await started(store, machine);
    machine.set(400 * dayMs);
    await cleanup.run({ policy: "failed", trigger: "schedule" });
    machine.set(-400 * dayMs);
    expect(await waitingOf(cleanup, "failed")).toBeNull();
    expect(await cleanup.run({ policy: "failed", trigger: "schedule" })).toMatchObject({ removed: 1 });
  });

  test("a jump while the daemon was down is noticed at the next start", async () => {
    const machine = fakeMachine();
    const store = fewSessions(machine);
    await (await started(store, machine)).stop();
    machine.pass(dayMs);
    machine.set(400 * dayMs);
    const next = await started(store, machine);
    expect(await next.run({ policy: "expired", trigger: "catch_up" })).toMatchObject({ removed: 0 });
    await next.stop();
    // And it is not forgotten by a further restart, nor by starting the machine again.
    machine.reboot(hourMs);
    const last = await started(store, machine);
    expect(await last.run({ policy: "expired", trigger: "catch_up" })).toMatchObject({ removed: 0 });
  });

  test("an approval that cannot be saved is not given", async () => {
    const machine = fakeMachine();
    const store = fewSessions(machine);
    const cleanup = await started(store, machine);
    machine.set(400 * dayMs);
    const { plan_id } = await cleanup.run({ policy: "failed", trigger: "request" });
    store.faults.fail("records.replace", new Error("the disk is full"));
    const approved = cleanup.run({ policy: "failed", trigger: "request", approve: plan_id });
    await expect(approved).rejects.toThrow("the disk is full");
    expect(store.ids()).toHaveLength(4);
  });
});

describe("is no jump:", () => {
  const harmless: [string, (machine: FakeMachine, look: () => Promise<void>) => Promise<void>][] = [
    ["a laptop that slept for a month", async (machine) => machine.pass(30 * dayMs)],
    ["a machine that was off for a month", async (machine) => machine.reboot(30 * dayMs)],
    ["an hour, as when summer time was set by hand", async (machine) => machine.set(hourMs)],
    [
      "a second a minute, as when a time server corrects a bad clock, for a year",
      async (machine, look) => {
        for (let time = 0; time < 5000; time++) {
          machine.pass(minuteMs);
          machine.set(1000);
          await look();
        }
      },
    ],
    [
      "there and back",
      async (machine, look) => {
        machine.set(-400 * dayMs);
        await look();
        machine.set(400 * dayMs);
      },
    ],
  ];
  test.each(harmless)("%s", async (_, happens) => {
    const machine = fakeMachine();
    const store = new AgedStore(machine.clock, [aged("old", "failed", 9), ...manyAged(9, "running", 0)]);
    const cleanup = await started(store, machine);
    await happens(machine, () => cleanup.noteClock());
    const result = await cleanup.run({ policy: "failed", trigger: "schedule" });
    expect(result).toMatchObject({ outcome: "done", removed: 1 });
  });

  test("but three of 50 minutes, over weeks, are one", async () => {
    const machine = fakeMachine();
    const store = fewSessions(machine);
    const cleanup = await started(store, machine);
    for (let week = 0; week < 3; week++) {
      machine.pass(dayMs);
      machine.set(50 * minuteMs);
      await cleanup.noteClock();
    }
    machine.pass(30 * dayMs);
    expect(await cleanup.run({ policy: "failed", trigger: "schedule" })).toMatchObject({ removed: 0 });
  });
});

type Step =
  | { do: "set"; byMs: number }
  | { do: "pass"; ms: number }
  | { do: "reboot"; ms: number }
  | { do: "restart" }
  | { do: "run"; job: JobName; trigger: Trigger; approved: boolean };

const away = fc.constantFrom(1000, hourMs, 9 * dayMs);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("set" as const),
      byMs: fc.constantFrom(
        ...[
          -400 * dayMs,
          -2 * hourMs,
          -50 * minuteMs,
          -30_000,
          30_000,
          50 * minuteMs,
          2 * hourMs,
          400 * dayMs,
        ],
      ),
    }),
    fc.record({ do: fc.constant("pass" as const), ms: away }),
    fc.record({ do: fc.constant("reboot" as const), ms: away }),
    fc.record({ do: fc.constant("restart" as const) }),
    fc.record({
      do: fc.constant("run" as const),
      job: fc.constantFrom(...jobNames),
      trigger: fc.constantFrom<Trigger>("schedule", "catch_up", "request"),
      approved: fc.boolean(),
    }),
  ),
  { maxLength: 18 },
);

test("whatever happens to the clock, nothing is removed after a jump, or over the limits, without approval", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const machine = fakeMachine();
      const store = new AgedStore(machine.clock, [
        ...manyAged(14, "completed", 1),
        ...manyAged(6, "failed", 5),
        ...manyAged(6, "running", 28),
      ]);
      let cleanup = await started(store, machine);
      /** The steps of the clock since each job accepted it; undefined where nobody can tell. */
      const set = new Map<JobName, number | undefined>(jobNames.map((job) => [job, 0]));
      /** Steps that no reading has seen yet: a reboot hides them. */
      let unseen = 0;
      const seen = () => {
        for (const [job, byMs] of set) if (byMs !== undefined) set.set(job, byMs + unseen);
        unseen = 0;
      };
      for (const step of list) {
        if (step.do === "pass") machine.pass(step.ms);
        else if (step.do === "set") {
          machine.set(step.byMs);
          unseen += step.byMs;
        } else if (step.do === "restart") {
          await cleanup.stop();
          cleanup = await started(store, machine);
          seen();
        } else if (step.do === "reboot") {
          await cleanup.stop();
          machine.reboot(step.ms);
          const wentOn = unseen + step.ms >= 0;
          unseen = 0;
          for (const [job, byMs = 0] of set) {
            const isForward = byMs > 70 * minuteMs;
            set.set(job, isForward && wentOn ? byMs : undefined);
          }
          cleanup = await started(store, machine);
        } else {
          const { job, trigger } = step;
          seen();
          const total = job === "trash" ? 0 : (await store.stats()).total;
          if (step.approved) {
            const dry = await cleanup.run({ policy: job, trigger: "request", dryRun: true });
            const plan = (await waitingOf(cleanup, job))?.plan_id ?? dry.plan_id;
            await cleanup.run({ policy: job, trigger: "request", approve: plan });
            set.set(job, 0);
            continue;
          }
          const { removed } = await cleanup.run({ policy: job, trigger });
          const byMs = set.get(job);
          if (byMs !== undefined && Math.abs(byMs) > 70 * minuteMs) expect(removed).toBe(0);
          if (trigger !== "request" && job !== "trash") {
            expect(removed <= 2 || removed <= total * cleanupOptions.maxDeleteRatio).toBe(true);
          }
        }
      }
      await cleanup.stop();
    }),
    { numRuns: 400 },
  );
});
