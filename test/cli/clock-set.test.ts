/** What sessionctl says and does after the system clock was set, before a real daemon. */
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { startDaemonIn } from "../client/running-daemon.ts";
import { pretendClockWasSet } from "../support/clock-record.ts";
import { tempDir } from "../support/temp-dir.ts";
import { ok } from "./command-line.ts";
import { startCommand } from "./in-process.ts";

const dayMs = 86_400_000;

/** Three completed sessions and one in the trash, in a store whose clock was then set. */
async function afterJump(byMs: number) {
  const directory = await tempDir();
  const first = await startDaemonIn(directory);
  const command = (socketPath: string) => (line: string) =>
    startCommand(["--socket", socketPath, ...line.split(" ")], { stdin: "f\n" }).ended;
  const before = command(first.socketPath);
  for (const id of ["a", "b", "c", "gone"]) {
    await before(`create src --id ${id} --files-from -`);
    await before(`complete ${id}`);
  }
  await before("delete gone --yes");
  await first.stop();
  await pretendClockWasSet(join(directory), byMs);
  const second = await startDaemonIn(directory);
  onTestFinished(() => second.stop());
  return command(second.socketPath);
}

it("a cleanup by hand removes nothing, says what happened, and how to go on", async () => {
  const run = await afterJump(400 * dayMs);
  const planned = await run("cleanup completed --keep-recent 1 --dry-run");
  expect(planned).toMatchObject({ code: 0 });
  expect(planned.stderr).toMatch(/the clock was set forward by 400 d \(noticed at 2\S+Z\), so no age/);
  const refused = await run("cleanup completed --keep-recent 1 --yes");
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toMatch(/waiting for approval: the clock was set forward by 400 d/);
  expect(refused.stderr).not.toMatch(/clock was set.*clock was set/s);
  expect(await run("list -q")).toEqual(ok("c\nb\na\n"));
  const plan = /--approve (\w+)/.exec(refused.stderr)?.[1] as string;
  expect(await run(`cleanup completed --keep-recent 1 --approve ${plan} -q`)).toEqual(ok("b\na\n"));
  expect(await run("cleanup completed --keep-recent 0 --yes -q")).toEqual(ok("c\n"));
});

it("the trash stays until its own plan is approved; all of it can be deleted at any time", async () => {
  const run = await afterJump(-400 * dayMs);
  const refused = await run("trash empty --older-than 1ms --yes");
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/set back by 400 d .* sessionctl --socket \S+ cleanup trash --dry-run/),
  });
  expect(await run("trash ls -q")).toEqual(ok("gone\n"));
  const listed = await run("cleanup trash --dry-run --all");
  expect(listed.stdout).toMatch(/^ID +ACTION +STATUS +IN TRASH SINCE .*\ngone +kept +completed +just now/);
  expect(await run("cleanup trash --yes")).toMatchObject({ code: 0 });
  expect(await run("trash ls -q")).toEqual(ok("gone\n"));
  const plan = JSON.parse((await run("cleanup trash --dry-run --json")).stdout) as { plan_id: string };
  expect(await run(`cleanup trash --approve ${plan.plan_id}`)).toMatchObject({ code: 0 });
  expect(await run("trash empty --older-than 1d --yes")).toMatchObject({ code: 0 });
  expect(await run("trash empty --yes --json")).toEqual(ok(expect.stringContaining('"removed": 1')));
});

it("the cleanup of the trash has no options of a policy", async () => {
  const run = await afterJump(0);
  expect(await run("cleanup trash --keep-recent 1")).toMatchObject({ code: 2 });
  expect(await run("cleanup trash")).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
  expect(await run("cleanup trash --yes -q")).toEqual(ok(""));
});
