/** `events` and `wait`, as the processes that they are. */
import type { ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { scene } from "../client/worker/fixture.ts";
import type { AnyEvent } from "../server/events/event-reader.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { bundledProgram, type Outcome, outcome, start } from "./command-line.ts";

const program = bundledProgram();

/** A command that runs while the test goes on. */
function running(socketPath: string, ...args: string[]) {
  const child = start(process.execPath, [program(), "--socket", socketPath, ...args]);
  return watch(child);
}

function watch(child: ChildProcess) {
  const seen = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (text: Buffer) => {
      seen[name] += text.toString();
    });
  }
  const ended: Promise<Outcome> = outcome(child);
  const says = (text: string | RegExp) => eventually(() => expect(seen.stderr).toMatch(text), 10_000);
  const prints = (text: string | RegExp) => eventually(() => expect(seen.stdout).toMatch(text), 10_000);
  return { child, seen, ended, says, prints };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

it("prints what happens, one line each, until it is interrupted", async () => {
  const { socketPath, client, create } = await scene();
  const json = running(socketPath, "events", "--json");
  const people = running(socketPath, "events", "--session", "a");
  await json.prints(/"reset"/);
  // Whoever starts later begins with what happens later.
  await eventually(async () => {
    await create(`probe${Math.random()}`);
    await client.createSession({ session_id: "a", config: { target_path: "." } }).catch(() => {});
    await client.deleteSession("a", { purge: true });
    expect(people.seen.stdout).toMatch(/a {2}deleted for good\n/);
  });
  await create("a", ["x", "y"]);
  await client.editSession("a", { labels: { team: "b" } });
  await client.reportProgress("a", { processed: ["x"] });
  await client.pauseSession("a", { reason: "lunch\u001b[31m" });
  await client.deleteSession("a");
  await people.prints(/undo/);
  const told = lines(people.seen.stdout).slice(-5);
  expect(told.map((line) => line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}/, ""))).toEqual([
    "a  created, running, 0 of 2 done",
    "a  changed: labels",
    "a  1 of 2 done",
    "a  running → paused: lunch\\x1b[31m",
    "a  deleted (undo: sessionctl trash restore a)",
  ]);
  await json.prints(/"restorable":true/);
  const events = lines(json.seen.stdout).map((line) => JSON.parse(line) as AnyEvent);
  expect(events[0]).toMatchObject({ kind: "reset", reason: "start" });
  expect(events.at(-1)).toMatchObject({ kind: "session.deleted", session_id: "a" });
  for (const { child, ended } of [json, people]) {
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  }
  const since = running(
    socketPath,
    "events",
    "--since",
    events.at(-3)?.id as string,
    "--kind",
    "session.deleted",
    "-q",
  );
  await since.prints(/^a\n$/);
});

it("waits for a daemon that restarts, and says so", async () => {
  const all = await scene();
  const events = running(all.socketPath, "events", "--json", "--kind", "session.created");
  await events.prints(/"start"/);
  await all.restart();
  await events.prints(/"other_run"/);
  await all.create("a");
  await events.prints(/"session_id":"a"/);
  expect(events.seen.stderr).toBe("sessiond is away; waiting for it to come back\nsessiond is back\n");
});

it("ends quietly when nobody reads the events any more", async () => {
  const { socketPath, create } = await scene();
  const command = `"$0" "$1" --socket "$2" events --json | head -1; echo "\${PIPESTATUS[0]}"`;
  const child = start("bash", ["--norc", "-c", command, process.execPath, program(), socketPath]);
  const { seen, ended } = watch(child);
  let count = 0;
  await eventually(async () => {
    await create(`s${count++}`);
    expect(seen.stdout).toMatch(/\n0\n$/);
  });
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
});

it("says what is wrong with what it is asked for", async () => {
  const { socketPath } = await scene();
  expect(await running(socketPath, "events", "--kind", "moved").ended).toMatchObject({ code: 2 });
  expect(await running(socketPath, "events", "--since", "x y").ended).toMatchObject({ code: 2 });
  expect(await running(socketPath, "wait", "a", "--for", "completed").ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("status=completed"),
  });
  expect(await running(socketPath, "wait", "a", "--for", "status=done").ended).toMatchObject({ code: 2 });
  const nowhere = join(await tempDir(), "none.sock");
  expect(await running(nowhere, "events").ended).toMatchObject({ code: 3 });
  expect(await running(nowhere, "wait", "a").ended).toMatchObject({ code: 3 });
});

it("waits until sessions are completed, or are so already", async () => {
  const { socketPath, client, create } = await scene();
  for (const id of ["a", "b", "c"]) await create(id);
  await client.completeSession("a");
  const waiting = running(socketPath, "wait", "a", "b", "c");
  await waiting.says(/^a is completed\n/);
  await client.pauseSession("b", { reason: "lunch" });
  await waiting.says(/b is paused: lunch; waiting for somebody to resume it\n/);
  await client.resumeSession("b");
  await client.completeSession("b", { reason: "all done" });
  await waiting.says(/b is completed: all done\n/);
  await client.completeSession("c");
  expect(await waiting.ended).toMatchObject({ code: 0, stdout: "" });
  const again = await running(socketPath, "wait", "a", "b", "--json").ended;
  expect([again.code, JSON.parse(again.stdout)]).toEqual([
    0,
    [
      { session_id: "a", status: "completed", status_reason: null },
      { session_id: "b", status: "completed", status_reason: "all done" },
    ],
  ]);
  expect(await running(socketPath, "wait", "-q", "c").ended).toEqual({ code: 0, stdout: "c\n", stderr: "" });
});

it("fails when it cannot come to that any more, and says why", async () => {
  const { socketPath, client, create } = await scene();
  for (const id of ["a", "b"]) await create(id);
  await client.failSession("a", { reason: "out of memory" });
  expect(await running(socketPath, "wait", "a").ended).toEqual({
    code: 1,
    stdout: "",
    stderr: "sessionctl: a: it is failed: out of memory; it will not be completed by itself\n",
  });
  const later = running(socketPath, "wait", "a", "b", "--for", "status=paused,running", "--timeout", "30s");
  expect(await later.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("b is running") });
  const deleted = running(socketPath, "wait", "b", "--for", "status=completed");
  const wanted = running(socketPath, "wait", "b", "--for", "status=deleted");
  const either = running(socketPath, "wait", "a", "--for", "status=completed,failed");
  expect(await either.ended).toMatchObject({ code: 0 });
  // Both have looked when both are told of the pause.
  await eventually(async () => {
    await client.pauseSession("b");
    await client.resumeSession("b");
    expect([deleted.seen.stderr, wanted.seen.stderr]).toEqual([
      expect.stringContaining("paused"),
      expect.stringContaining("paused"),
    ]);
  });
  await client.deleteSession("b");
  expect(await deleted.ended).toMatchObject({ code: 4, stderr: expect.stringContaining("it is deleted") });
  expect(await wanted.ended).toMatchObject({ code: 0, stderr: expect.stringContaining("b is deleted") });
  expect(await running(socketPath, "wait", "never").ended).toMatchObject({ code: 4 });
  expect(await running(socketPath, "wait", "b", "--for", "status=deleted").ended).toMatchObject({ code: 0 });
});

it("gives up when its time is over", async () => {
  const { socketPath, create } = await scene();
  await create("a");
  const { code, stderr } = await running(socketPath, "wait", "a", "--timeout", "500ms").ended;
  expect([code, stderr]).toEqual([124, "sessionctl: not so within 500ms: status completed; a is running\n"]);
});

it("says that the daemon is away also while it still looks at what there is", async () => {
  const all = await scene();
  const ids = Array.from({ length: 50 }, (_, n) => `s${n}`);
  for (const id of ids) await all.create(id);
  await all.client.pauseSession("s0");
  const waiting = running(all.socketPath, "wait", ...ids);
  await waiting.says(/s0 is paused/);
  await all.daemon.stop();
  await waiting.says(/sessiond is away/);
  await all.restart();
  await waiting.says(/sessiond is back/);
  for (const id of ids) await all.client.completeSession(id);
  expect(await waiting.ended).toMatchObject({ code: 0 });
  expect(waiting.seen.stderr.match(/is away/g)).toHaveLength(1);
});

it("goes on waiting over restarts of the daemon, also for what happens while it is away", async () => {
  const all = await scene();
  await all.create("a");
  await all.create("b");
  const waiting = running(all.socketPath, "wait", "a", "b");
  await eventually(async () => {
    await all.client.pauseSession("a");
    await all.client.resumeSession("a");
    expect(waiting.seen.stderr).toContain("paused");
  });
  await all.daemon.stop();
  await waiting.says(/sessiond is away/);
  const file = join(all.directory, "a.json");
  const document = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...document, status: "completed" }));
  await all.restart();
  await waiting.says(/a is completed/);
  await all.client.completeSession("b");
  expect(await waiting.ended).toMatchObject({ code: 0 });
});
