/** Whether a process has ended, by its identity. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { processFacts } from "../../src/host/process-facts.ts";
import { hasEnded, ownIdentity } from "../../src/host/process-identity.ts";
import { eventually } from "../support/eventually.ts";

const own = ownIdentity() as string;

function identityOf(pid: number, start = processFacts(pid)?.startTime): string {
  return `${own.split("/").slice(0, 2).join("/")}/${pid}/${start}`;
}

async function child(...words: string[]): Promise<ChildProcess & { pid: number }> {
  const started = spawn(words[0] as string, words.slice(1), { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(() => void started.kill("SIGKILL"));
  await once(started, "spawn");
  return started as ChildProcess & { pid: number };
}

test("this process is there", () => {
  expect(own).toMatch(/^[0-9a-f-]{36}\/\d+\/\d+\/\d+$/);
  expect(own).toBe(identityOf(process.pid));
  expect(hasEnded(own)).toBe(false);
});

test("a process has ended when it was killed", async () => {
  const one = await child("sleep", "60");
  const identity = identityOf(one.pid);
  expect(hasEnded(identity)).toBe(false);
  one.kill("SIGKILL");
  await once(one, "exit");
  expect(hasEnded(identity)).toBe(true);
});

test("a process that nobody has collected yet has ended", async () => {
  // The shell becomes a sleep, which never collects the child of the shell.
  const one = await child("sh", "-c", "sleep 0.05 & echo $!; exec sleep 60");
  const [line] = await once(one.stdout as NodeJS.ReadableStream, "data");
  const pid = Number(String(line));
  const identity = identityOf(pid);
  await eventually(() => expect(processFacts(pid)?.isZombie).toBe(true));
  expect(hasEnded(identity)).toBe(true);
});

test("a pid that belongs to another process now is not that process", () => {
  expect(hasEnded(identityOf(process.pid, "1"))).toBe(true);
});

test.each([
  ["another boot", own.replace(/^[0-9a-f]{8}/, "00000000")],
  ["another namespace", own.replace(/\/\d+\//, "/1/")],
  ["nothing of the kind", "something"],
  ["nothing at all", ""],
])("nobody can judge a process of %s", (_, identity) => {
  const parts = identity.split("/");
  if (parts.length === 4) parts[2] = "4194305";
  expect(hasEnded(parts.join("/"))).toBe(false);
});
