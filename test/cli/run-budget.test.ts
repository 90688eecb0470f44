/** `sessionctl run --budget`: what is counted, when it ends the run, and what survives. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { names, outcome, resultOf, scene, sh } from "./running-run.ts";

const quiet = ["--progress", "none"];
/** Each attempt costs 0.1, in the JSON that it prints. */
const costs = 'echo "$1" >> ran; echo \'{"usage": {"cost": 0.1}}\'';

test("a budget that is reached pauses the session; a larger one goes on, and the sum is exact", async () => {
  const { run, lines, session } = await scene(names(6));
  const first = await run("a", "--files", "f*", "-j1", "--budget", "usage.cost=0.3", ...quiet, ...sh(costs));
  expect(first).toMatchObject({ code: 1 });
  expect(first.stderr).toContain(
    "a is paused: 3 files done, 3 left (budget reached: usage.cost 0.3 of 0.3)\n" +
      "budget usage.cost: 0.3 of 0.3 spent\n" +
      "to continue, with larger budgets: sessionctl run a --budget 'usage.cost=0.6'\n",
  );
  expect(await session()).toMatchObject({
    status: "paused",
    status_reason: "budget reached: usage.cost 0.3 of 0.3",
    run: { budget: { "usage.cost": 0.3 } },
  });
  const again = await run("a", ...quiet);
  expect(again.code).toBe(1);
  expect(again.stderr).toContain("with --jobs 1 --budget 'usage.cost=0.3'\n");
  expect(lines("ran")).toHaveLength(3);
  const last = await run("a", "--budget", "/usage/cost=1", ...quiet);
  expect(last).toMatchObject({ code: 0 });
  expect(last.stderr).toContain("budget usage.cost: 0.6 of 1 spent\n");
  expect((await session()).run).toMatchObject({ budget: { "usage.cost": 1 } });
});

test("what commands that were running spend above the budget is counted, and said", async () => {
  const { run, session } = await scene(names(3));
  const command = sh('until [ -e f0.began ] && [ -e f1.began ]; do : > "$1.began"; done; echo \'{"n": 2}\'');
  const { code, stderr } = await run("a", "--files", "f?", "-j2", "--budget", "n=1", ...quiet, ...command);
  expect(code).toBe(1);
  expect(stderr).toContain("(budget reached: n 4 of 1)\nbudget n: 4 of 1 spent (3 over)\n");
  expect(stderr).toContain("sessionctl run a --budget 'n=8'\n");
  expect((await session()).status_reason).toBe("budget reached: n 4 of 1");
});

test("attempts that are tried again count, and what runs again counts on", async () => {
  const { run, session, lines } = await scene(names(1));
  const fails = sh(`${costs}; [ $(wc -l < ran) -ge 4 ]`);
  await run("a", "--files", "f0", "--retries", "1", "--budget", "usage.cost=9", ...quiet, ...fails);
  expect(resultOf(await session(), "f0")).toMatchObject({ exit_code: 1, spent: { "usage.cost": 0.2 } });
  const { stderr } = await run("a", "--retry-failed", ...quiet);
  expect(stderr).toContain("budget usage.cost: 0.4 of 9 spent\n");
  expect(resultOf(await session(), "f0")).toMatchObject({ exit_code: 0, spent: { "usage.cost": 0.4 } });
  expect(lines("ran")).toHaveLength(4);
});

test("attempts that are refused for now count, and what they have spent is recorded at once", async () => {
  const { run, start, session } = await scene(names(1));
  const refuses = sh(`${costs}; [ -e go ] || exit 75`);
  const running = start("a", "--files", "f0", "--budget", "usage.cost=0.3", ...quiet, ...refuses);
  await eventually(async () =>
    expect((await session()).partial_results).toMatchObject({
      f0: { exit_code: 75, spent: { "usage.cost": 0.1 } },
    }),
  );
  const { code, stderr } = await running.ended;
  expect(code).toBe(1);
  expect(stderr).toContain("0 files done, 1 left (budget reached: usage.cost 0.3 of 0.3)");
  await run("a", "--budget", "usage.cost=1", ...quiet, ...sh(costs));
  expect(resultOf(await session(), "f0")).toMatchObject({ exit_code: 0, spent: { "usage.cost": 0.4 } });
});

test("a budget that is reached between two attempts leaves the file pending, and what it has spent recorded", async () => {
  const { run, session, lines } = await scene(names(1));
  const fails = sh(`${costs}; [ $(wc -l < ran) -ge 2 ]`);
  const budget = ["--budget", "usage.cost=0.1"];
  const first = await run("a", "--files", "f0", "--retries", "3", ...budget, ...quiet, ...fails);
  expect(first).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("0 files done, 1 left (budget reached"),
  });
  expect(lines("ran")).toHaveLength(1);
  const stored = await session();
  expect(stored.pending_files).toEqual(["f0"]);
  expect(resultOf(stored, "f0")).toMatchObject({ exit_code: 1, spent: { "usage.cost": 0.1 } });
  await run("a", "--budget", "usage.cost=1", ...quiet);
  expect(resultOf(await session(), "f0")).toMatchObject({ exit_code: 0, spent: { "usage.cost": 0.2 } });
});

test("results from before the budget count, also where they are replaced", async () => {
  const { run, session } = await scene(names(3));
  await run("a", "--files", "f0", "f1", ...quiet, ...sh(`${costs}; [ $1 = f0 ]`));
  expect(resultOf(await session(), "f0")).not.toHaveProperty("spent");
  const { stderr } = await run("a", "--retry-failed", "--files", "f2", "--budget", "usage.cost=9", ...quiet);
  expect(stderr).toContain("budget usage.cost: 0.4 of 9 spent\n");
  const { stderr: later } = await run("a", "--retry-failed", "--budget", "usage.cost=none", ...quiet);
  expect(later).not.toContain("budget");
  expect((await session()).run).not.toHaveProperty("budget");
  expect(resultOf(await session(), "f1")).toMatchObject({ spent: { "usage.cost": 0.3 } });
});

test("a number that is not there counts nothing, and that is said", async () => {
  const { run } = await scene(names(3));
  const { code, stderr } = await run(
    "a",
    "--files",
    "f*",
    "-j1",
    "--budget",
    "cost=1",
    ...quiet,
    "--",
    "cat",
  );
  expect(code).toBe(0);
  expect(stderr.match(/budget cost/g)).toHaveLength(2);
  expect(stderr).toContain(
    "budget cost: nothing is counted of f0, whose output is not JSON; this message is not",
  );
  expect(stderr).toContain("budget cost: no result has a number there, so that nothing was counted\n");
});

test.each([
  ["cost", "is no budget: write KEY=MAX"],
  ["cost=-1", "the maximum is a number above 0"],
  ["cost=NaN", "the maximum is a number above 0"],
  ["a..b=1", "is no key"],
])("--budget %s is a usage error", async (text, message) => {
  const { run } = await scene(names(1));
  const refused = await run("a", "--files", "f*", "--budget", text, "--", "cat");
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
});

test("what is spent survives a runner that is killed", async () => {
  const at = await scene(names(8));
  const command = sh(`${costs}; [ -e go ] || [ $(wc -l < ran) -lt 4 ] || sleep 60`);
  const run = await at.startProcess(
    "a",
    "--files",
    "f*",
    "-j1",
    "--budget",
    "usage.cost=5",
    ...quiet,
    ...command,
  );
  await eventually(async () => expect(at.lines("ran")).toHaveLength(4));
  run.kill("SIGKILL");
  await outcome(run);
  await writeFile(join(at.dir, "go"), "");
  const { code, stderr } = await at.run("a", ...quiet);
  expect(code).toBe(0);
  // The attempt that was killed has no result.
  expect(at.lines("ran")).toHaveLength(9);
  expect(stderr).toContain("budget usage.cost: 0.8 of 5 spent\n");
});
