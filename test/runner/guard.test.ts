/** The guard as the process that it is: what it ends when its runner is gone, and what it leaves alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ProcessFacts } from "../../src/host/process-facts.ts";
import { isMember } from "../../src/runner/guard-process.ts";
import { newMark } from "../../src/runner/mark.ts";
import { eventually } from "../support/eventually.ts";

const sessionctl = resolve(import.meta.dirname, "../../dist/sessionctl.js");

async function sleeper(mark: string | undefined): Promise<ChildProcess> {
  const env = mark === undefined ? {} : { SESSIOND_RUN: mark };
  const child = spawn("sleep", ["60"], {
    detached: true,
    stdio: "ignore",
    env: { PATH: process.env.PATH, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "spawn");
  return child;
}

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

async function guardThatIsTold(mark: string, text: string): Promise<void> {
  const guard = spawn(process.execPath, [sessionctl, "run-guard", mark], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  onTestFinished(() => void guard.kill("SIGKILL"));
  const exited = once(guard, "exit");
  guard.stdin.end(text);
  await exited;
}

test("the guard stops groups that have not ended, and every process with the mark", async () => {
  const mark = newMark();
  const [told, marked, other, ended] = await Promise.all([
    sleeper(undefined),
    sleeper(mark),
    sleeper(newMark()),
    sleeper(undefined),
  ]);
  const text = `+${told.pid}\n+${ended.pid}\n-${ended.pid}\n+${2 ** 22}\n`;
  await guardThatIsTold(mark, text);
  await eventually(() => expect([told, marked].map(hasEnded)).toEqual([true, true]));
  expect([other, ended].map(hasEnded)).toEqual([false, false]);
});

test("the guard stops nothing after the farewell of its runner", async () => {
  const mark = newMark();
  const [told, marked] = await Promise.all([sleeper(undefined), sleeper(mark)]);
  await guardThatIsTold(mark, `+${told.pid}\nbye\n`);
  expect([told, marked].map(hasEnded)).toEqual([false, false]);
});

test("a reused number is not mistaken for the group", () => {
  const facts = (changes: Partial<ProcessFacts>): ProcessFacts => ({
    ...{ pid: 7, isZombie: false, parent: 1, group: 7, session: 7, startTime: "100" },
    ...changes,
  });
  const member = facts({ pid: 8 });
  expect(isMember(member, facts({}), facts({}))).toBe(true);
  // The leader has ended, and its group has not.
  expect(isMember(member, undefined, facts({}))).toBe(true);
  expect(isMember(member, facts({ startTime: "200" }), facts({}))).toBe(false);
  expect(isMember(member, facts({}), undefined)).toBe(false);
  expect(isMember(facts({ pid: 8, session: 3 }), facts({ session: 3 }), facts({ session: 3 }))).toBe(false);
});
