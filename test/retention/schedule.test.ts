import cron from "node-cron";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { silentLogger } from "../../src/log.ts";
import {
  cronProblem,
  type Job,
  Scheduler,
  type ScheduleTrigger,
  type Timing,
} from "../../src/retention/schedule.ts";
import { processorTime } from "../support/processor-time.ts";

describe("a cron expression", () => {
  test.each(["0 3 * * *", "*/15 * * * *", "0 0 1,15 * *", "30 4 * jan-mar mon-fri", "0 0 29 2 *"])(
    "%s is fine",
    (expression) => {
      expect(cronProblem(expression)).toBeUndefined();
    },
  );

  test.each([
    ["", /has 0 fields: write minute, hour/],
    ["@daily", /has 1 field: write minute, hour/],
    ["0 3 * *", /has 4 fields:/],
    ["0 0 3 * * *", /six fields: seconds are not supported/],
    ["60 3 * * *", /^minute "60" is not valid \(0-59\)$/],
    ["0 24 * * *", /^hour "24" is not valid \(0-23\)$/],
    ["0 3 0 * *", /^day of month "0" is not valid \(1-31\)$/],
    ["0 3 * 13 *", /^month "13" is not valid/],
    ["0 3 * * 8", /^day of week "8" is not valid/],
    ["x 25 * * *", /^minute "x" is not valid \(0-59\); hour "25" is not valid \(0-23\)$/],
    ["0 3 * * ; rm", /6|six/],
    ["0 3 * * $", /characters that a cron expression cannot have/],
    ["0 0 31 2 *", /day of month "31" is not valid/],
    ["0 0 1 * 1#3", /never matches a date/],
  ])("%s is refused in words", (expression, message) => {
    expect(cronProblem(expression)).toMatch(message);
  });

  test("checking leaves nothing behind", () => {
    cronProblem("0 3 * * *");
    cronProblem("0 0 1 * 1#3");
    expect(cron.getTasks().size).toBe(0);
  });
});

const utc: Timing = { timezone: "UTC", onMissed: "run_once" };

interface Run {
  trigger: ScheduleTrigger;
  at: string;
}

/** Jobs that note when they ran; one that is blocked ends when it is told. */
function recorder() {
  const runs: Run[] = [];
  let release: (() => void) | undefined;
  let blocked = false;
  return {
    runs,
    block: () => {
      blocked = true;
    },
    release: () => release?.(),
    job: (schedule: string, more: Partial<Job> = {}): Job => ({
      name: "job",
      schedule,
      run: async (trigger) => {
        runs.push({ trigger, at: new Date().toISOString().slice(0, 19) });
        if (!blocked) return;
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      },
      ...more,
    }),
  };
}

describe("the scheduler", () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: new Date("2026-01-02T02:30:00Z") });
  });
  afterEach(() => {
    vi.useRealTimers();
    expect(cron.getTasks().size).toBe(0);
  });

  function scheduler(onChange = () => {}): Scheduler {
    const made = new Scheduler({ logger: silentLogger, onChange });
    onTestFinished(() => made.stop());
    return made;
  }

  const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 60_000);

  test("runs a job at its slots", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 3 * * *")], utc);
    expect(s.next("job")).toEqual(new Date("2026-01-02T03:00:00Z"));
    await minutes(29);
    expect(runs).toEqual([]);
    await minutes(2 * 24 * 60);
    expect(runs).toEqual([
      { trigger: "schedule", at: "2026-01-02T03:00:00" },
      { trigger: "schedule", at: "2026-01-03T03:00:00" },
    ]);
    await s.stop();
  });

  test("keeps to the time zone", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 4 * * *")], { ...utc, timezone: "Europe/Berlin" });
    await minutes(31);
    expect(runs).toEqual([{ trigger: "schedule", at: "2026-01-02T03:00:00" }]);
    await s.stop();
  });

  test("a run that takes longer than its interval is never doubled", async () => {
    const { runs, job, block, release } = recorder();
    block();
    const s = scheduler();
    s.arm([job("* * * * *")], utc);
    await minutes(5);
    expect(runs).toHaveLength(1);
    expect(s.due("job")).toEqual(new Date("2026-01-02T02:31:00Z"));
    s.arm([job("* * * * *")], utc);
    await minutes(3);
    expect(runs).toHaveLength(1);
    release();
    await minutes(1);
    expect(runs).toHaveLength(2);
    release();
    await s.stop();
  });

  test("what was missed while away is run once, or skipped", async () => {
    const due = new Date("2026-01-01T03:00:00Z");
    const once = recorder();
    const s = scheduler();
    s.arm([once.job("0 3 * * *", { due })], utc);
    await minutes(1);
    expect(once.runs).toEqual([{ trigger: "catch_up", at: "2026-01-02T02:30:00" }]);
    await s.stop();

    const skipped = recorder();
    const other = scheduler();
    other.arm([skipped.job("0 3 * * *", { due })], { ...utc, onMissed: "skip" });
    await minutes(1);
    expect(skipped.runs).toEqual([]);
    expect(other.due("job")).toEqual(new Date("2026-01-02T03:00:00Z"));
    await other.stop();
  });

  test("a slot that is still to come is not missed", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 3 * * *", { due: new Date("2026-01-02T03:00:00Z") })], utc);
    await minutes(1);
    expect(runs).toEqual([]);
    await s.stop();
  });

  test("a clock set forward past a slot runs it once, and goes on from there", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 3 * * *")], utc);
    vi.setSystemTime(new Date("2026-01-05T12:00:00Z"));
    await vi.advanceTimersByTimeAsync(5000);
    expect(runs).toMatchObject([{ trigger: "catch_up" }]);
    expect(s.next("job")).toEqual(new Date("2026-01-06T03:00:00Z"));
    await minutes(16 * 60);
    expect(runs[1]).toEqual({ trigger: "schedule", at: "2026-01-06T03:00:00" });
    expect(runs).toHaveLength(2);
    await s.stop();
  });

  test("a job that is due just after the clock was set forward by years takes no time for them", async () => {
    vi.setSystemTime(new Date("2020-01-02T00:00:31Z"));
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("* * * * *")], utc);
    // Before anybody has noticed that the clock was set.
    await vi.advanceTimersByTimeAsync(28_500);
    vi.setSystemTime(new Date("2026-01-02T11:00:30Z"));
    expect(await processorTime(() => vi.advanceTimersByTimeAsync(1000))).toBeLessThan(1000);
    expect(runs).toEqual([{ trigger: "schedule", at: "2026-01-02T11:00:30" }]);
    await minutes(1);
    expect(runs).toHaveLength(2);
    await s.stop();
  });

  test("a machine that slept through a slot has missed it, whichever timer notices first", async () => {
    for (const [onMissed, expected] of [
      ["run_once", [{ trigger: "catch_up", at: "2026-01-02T11:00:00" }]],
      ["skip", []],
    ] as const) {
      vi.setSystemTime(new Date("2026-01-02T02:30:00Z"));
      const { runs, job } = recorder();
      const s = scheduler();
      s.arm([job("0 3 * * *")], { ...utc, onMissed });
      await vi.advanceTimersByTimeAsync(30 * 60_000 - 1000);
      vi.setSystemTime(new Date("2026-01-02T10:59:59Z"));
      await minutes(5);
      expect(runs).toEqual(expected);
      expect(s.due("job")).toEqual(new Date("2026-01-03T03:00:00Z"));
      await s.stop();
    }
  });

  test("a clock set back does not wait until it has caught up", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("*/10 * * * *")], utc);
    vi.setSystemTime(new Date("2026-01-01T02:35:00Z"));
    await vi.advanceTimersByTimeAsync(5000);
    expect(s.next("job")).toEqual(new Date("2026-01-01T02:40:00Z"));
    await minutes(5);
    expect(runs).toEqual([{ trigger: "schedule", at: "2026-01-01T02:40:00" }]);
    await s.stop();
  });

  test("a clock that is merely adjusted changes nothing", async () => {
    const { runs, job } = recorder();
    let changes = 0;
    const s = scheduler(() => changes++);
    s.arm([job("0 3 * * *")], utc);
    vi.setSystemTime(Date.now() + 1500);
    await minutes(10);
    vi.setSystemTime(Date.now() - 1500);
    await minutes(10);
    expect(changes).toBe(1);
    await minutes(11);
    expect(runs).toHaveLength(1);
    await s.stop();
  });

  test("a slot that comes late because the process was busy still runs, once", async () => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 3 * * *"), { ...job("0 3 * * *"), name: "other" }], utc);
    await vi.advanceTimersByTimeAsync(30 * 60_000 - 500);
    vi.setSystemTime(Date.now() + 1900); // Less than counts as a jump.
    await minutes(5);
    expect(runs).toHaveLength(2);
    expect(runs.every((run) => run.trigger === "schedule")).toBe(true);
    await s.stop();
  });

  test("stopping waits for what runs, and starts nothing more", async () => {
    const { runs, job, block, release } = recorder();
    block();
    const s = scheduler();
    s.arm([job("* * * * *")], utc);
    await minutes(1);
    let stopped = false;
    const stopping = s.stop().then(() => {
      stopped = true;
    });
    await minutes(3);
    expect(stopped).toBe(false);
    expect(runs).toHaveLength(1);
    release();
    await stopping;
    s.arm([job("* * * * *")], utc);
    await minutes(3);
    expect(runs).toHaveLength(1);
  });

  test.each([
    ["every day", "UTC"],
    ["0 3 * * *", "Mars/Olympus"],
  ])("%s in %s is refused, and the jobs stay as they were", async (schedule, timezone) => {
    const { runs, job } = recorder();
    const s = scheduler();
    s.arm([job("0 3 * * *")], utc);
    const bad = () => s.arm([job("* * * * *"), job(schedule)], { ...utc, timezone });
    expect(bad).toThrow(expect.objectContaining({ code: "invalid_request" }));
    await minutes(31);
    expect(runs).toHaveLength(1);
    await s.stop();
  });

  test("nothing is written to the console", async () => {
    const written = vi.spyOn(console, "warn");
    const { job, block, release } = recorder();
    block();
    const s = scheduler();
    s.arm([job("* * * * *")], utc);
    await minutes(3);
    expect(written).not.toHaveBeenCalled();
    release();
    await s.stop();
    written.mockRestore();
  });
});
