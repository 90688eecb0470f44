/** How the options for jobs, for an early end and for "not now" are read, and when a halt is reached. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDeferOn, parseDeferOn } from "../../src/runner/defer-on.ts";
import { type Halt, haltReason, isReached, parseHalt } from "../../src/runner/halt.ts";
import { parseJobs } from "../../src/runner/jobs.ts";
import { asManyAsPossible } from "../../src/runner/most-at-once.ts";

test.each([
  ["4", 4],
  ["1", 1],
  ["50%", 4],
  ["100%", 8],
  ["200%", 16],
  ["1%", 1],
  ["+2", 10],
  ["-2", 6],
  ["-20", 1],
  ["0", 250],
])("%s of 8 processors are %d jobs", (text, jobs) => {
  expect(parseJobs(text, 8, 250)).toBe(jobs);
});

test.each(["", "0%", "x", "1.5", "+1%", "%", "99999", "-"])("%j is not a number of jobs", (text) => {
  expect(() => parseJobs(text, 8, 250)).toThrow(/jobs/);
});

test.each([
  ["no limits", {}, 250],
  ["many of everything", { files: "1048576", processes: "63000", most: "max", now: "12" }, 250],
  ["open files", { files: "1024" }, 240],
  ["hardly an open file", { files: "32" }, 1],
  ["processes", { processes: "100" }, 50],
  ["processes of a container", { most: "100", now: "40" }, 30],
  ["a full container", { most: "100", now: "100" }, 1],
])("as many as possible: %s", (_, { files, processes, most, now }: Record<string, string>, count) => {
  const limits = [
    "Limit                     Soft Limit           Hard Limit           Units     ",
    `Max processes             ${processes ?? "unlimited"}                unlimited            processes `,
    `Max open files            ${files ?? "unlimited"}                 524288               files     `,
  ];
  const read = (path: string) =>
    path.startsWith("/proc") ? limits.join("\n") : `${(path.endsWith("max") ? most : now) ?? ""}\n`;
  expect(asManyAsPossible(read)).toBe(count);
});

test("there is always a job, and never too many", () => {
  fc.assert(
    fc.property(fc.constantFrom("", "+", "-"), fc.integer({ min: 1, max: 9000 }), (sign, amount) => {
      const jobs = parseJobs(`${sign}${amount}`, 4, 250);
      expect(jobs).toBeGreaterThanOrEqual(1);
      expect(Number.isInteger(jobs)).toBe(true);
    }),
  );
});

test.each([
  "",
  "soon",
  "soon,fail",
  "soon,fail=0",
  "later,fail=1",
  "now,fail=101%",
  "now,fails=1",
  "3",
  "-3",
  "%",
])("%j is no time to halt", (text) => {
  expect(() => parseHalt(text)).toThrow(/write never, soon,fail=N/);
});

const reached = (text: string, failed: number, succeeded: number, total = 100) =>
  isReached(parseHalt(text) as Halt, { failed, succeeded, total });

test("a count of files", () => {
  expect([reached("soon,fail=2", 1, 50), reached("soon,fail=2", 2, 0)]).toEqual([false, true]);
  expect([reached("now,success=1", 9, 0), reached("now,success=1", 9, 1)]).toEqual([false, true]);
  expect([reached("now,done=10", 4, 5), reached("now,done=10", 5, 5)]).toEqual([false, true]);
  expect(parseHalt("never")).toBeUndefined();
});

test("a percentage: of the finished files, from 3 on; for done, of all files", () => {
  expect(reached("soon,fail=10%", 2, 0)).toBe(false);
  expect(reached("soon,fail=10%", 3, 27)).toBe(true);
  expect(reached("soon,fail=10%", 3, 28)).toBe(false);
  expect([reached("soon,done=50%", 25, 24), reached("soon,done=50%", 25, 25)]).toEqual([false, true]);
});

test("more failures never revoke a halt", () => {
  const halts = fc.constantFrom("soon,fail=5", "now,fail=20%", "soon,done=7", "now,done=30%");
  fc.assert(
    fc.property(halts, fc.nat(50), fc.nat(50), (halt, failed, succeeded) => {
      fc.pre(reached(halt, failed, succeeded));
      expect(reached(halt, failed + 1, succeeded)).toBe(true);
    }),
  );
});

test("the reason names the option", () => {
  const halt = parseHalt("now,fail=1") as Halt;
  expect(haltReason(halt, { failed: 1, succeeded: 3, total: 9 })).toBe("1 file failed (--halt now,fail=1)");
});

test.each([
  ["75", [75]],
  ["75,100", [75, 100]],
  [" 1 , 255 ", [1, 255]],
  ["75,75", [75]],
  ["none", []],
])("not now on %j", (text, statuses) => {
  expect(parseDeferOn(text)).toEqual(statuses);
  expect(parseDeferOn(formatDeferOn(statuses))).toEqual(statuses);
});

test.each(["", "0", "256", "-1", "75,", "75;76", "all", "1.5", "none,75"])(
  "%j is no list of exit statuses",
  (text) => {
    expect(() => parseDeferOn(text)).toThrow("is not a list of exit statuses");
  },
);
