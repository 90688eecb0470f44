/** `events` as the process that it is, which only a signal ends, and `wait` in the process of the test. */
import type { ChildProcess } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { scene } from "../client/worker/fixture.ts";
import type { AnyEvent } from "../server/events/event-reader.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { outcome, sessionctlProgram, start } from "./command-line.ts";
import { startCommand } from "./in-process.ts";

/** `events` while the test goes on. */
function events(socketPath: string, ...args: string[]) {
  return watch(start(process.execPath, [sessionctlProgram, "--socket", socketPath, "events", ...args]));
}

function watch(child: ChildProcess) {
  const seen = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.on("data", (text: Buffer) => {
      seen[name] += text.toString();
    });
  }
  const prints = (text: string | RegExp) => eventually(() => expect(seen.stdout).toMatch(text));
  return { child, seen, ended: outcome(child), prints };
}

/** `wait` while the test goes on. */
function waiting(socketPath: string, ...args: string[]) {
  const command = startCommand(["--socket", socketPath, "wait", ...args]);
  return {
    ...command,
    says: (text: string | RegExp) => eventually(() => expect(command.stderr()).toMatch(text)),
  };
}

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

it("prints a line for each event until it is interrupted", async () => {
  const { socketPath, client, create } = await scene();
  const json = events(socketPath, "--json");
  const people = events(socketPath, "--session", "a");
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
    `a  deleted (undo: sessionctl --socket ${socketPath} trash restore a)`,
  ]);
  await json.prints(/"restorable":true/);
  const printed = lines(json.seen.stdout).map((line) => JSON.parse(line) as AnyEvent);
  expect(printed[0]).toMatchObject({ kind: "reset", reason: "start" });
  expect(printed.at(-1)).toMatchObject({ kind: "session.deleted", session_id: "a" });
  for (const { child, ended } of [json, people]) {
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 130, stderr: "" });
  }
  const since = events(
    socketPath,
    "--since",
    printed.at(-3)?.id as string,
    "--kind",
    "session.deleted",
    "-q",
  );
  await since.prints(/^a\n$/);
});

it("waits for a daemon that restarts, and says so", async () => {
  const all = await scene();
  const following = events(all.socketPath, "--json", "--kind", "session.created");
  await following.prints(/"start"/);
  await all.restart();
  await following.prints(/"other_run"/);
  await all.create("a");
  await following.prints(/"session_id":"a"/);
  expect(following.seen.stderr).toBe(
    "lost the connection to sessiond; reconnecting\nreconnected to sessiond\n",
  );
});

it("ends quietly when the reader of the events has closed the pipe", async () => {
  const { socketPath, create } = await scene();
  const command = `"$0" "$1" --socket "$2" events --json | head -1; echo "\${PIPESTATUS[0]}"`;
  const child = start("bash", ["--norc", "-c", command, process.execPath, sessionctlProgram, socketPath]);
  const { seen, ended } = watch(child);
  let count = 0;
  await eventually(async () => {
    await create(`s${count++}`);
    expect(seen.stdout).toMatch(/\n0\n$/);
  });
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
});

it("explains wrong usage", async () => {
  const { socketPath } = await scene();
  const events = (socket: string, ...args: string[]) => startCommand(["--socket", socket, "events", ...args]);
  expect(await events(socketPath, "--kind", "moved").ended).toMatchObject({ code: 2 });
  expect(await events(socketPath, "--since", "x y").ended).toMatchObject({ code: 2 });
  expect(await waiting(socketPath, "a", "--for", "completed").ended).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("status=completed"),
  });
  expect(await waiting(socketPath, "a", "--for", "status=done").ended).toMatchObject({ code: 2 });
  const nowhere = join(await tempDir(), "none.sock");
  expect(await events(nowhere).ended).toMatchObject({ code: 3 });
  expect(await waiting(nowhere, "a").ended).toMatchObject({ code: 3 });
});

it("waits until sessions are completed, or finds that they are", async () => {
  const { socketPath, client, create } = await scene();
  for (const id of ["a", "b", "c"]) await create(id);
  await client.completeSession("a");
  const command = waiting(socketPath, "a", "b", "c");
  await command.says(/^a is completed\n/);
  await client.pauseSession("b", { reason: "lunch" });
  await command.says(/b is paused: lunch; waiting for somebody to resume it\n/);
  await client.resumeSession("b");
  await client.completeSession("b", { reason: "all done" });
  await command.says(/b is completed: all done\n/);
  await client.completeSession("c");
  expect(await command.ended).toMatchObject({ code: 0, stdout: "" });
  const again = await waiting(socketPath, "a", "b", "--json").ended;
  expect([again.code, JSON.parse(again.stdout)]).toEqual([
    0,
    [
      { session_id: "a", status: "completed", status_reason: null },
      { session_id: "b", status: "completed", status_reason: "all done" },
    ],
  ]);
  expect(await waiting(socketPath, "-q", "c").ended).toEqual({ code: 0, stdout: "c\n", stderr: "" });
});

it("fails when a session can no longer get a wanted status, and says why", async () => {
  const { socketPath, client, create } = await scene();
  for (const id of ["a", "b"]) await create(id);
  await client.failSession("a", { reason: "out of memory" });
  expect(await waiting(socketPath, "a").ended).toEqual({
    code: 1,
    stdout: "",
    stderr: "sessionctl: a: the session has failed: out of memory; it stays so unless somebody reopens it\n",
  });
  const later = waiting(socketPath, "a", "b", "--for", "status=paused,running", "--timeout", "30s");
  expect(await later.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("b is running") });
  const deleted = waiting(socketPath, "b", "--for", "status=completed");
  const wanted = waiting(socketPath, "b", "--for", "status=deleted");
  const either = waiting(socketPath, "a", "--for", "status=completed,failed");
  expect(await either.ended).toMatchObject({ code: 0 });
  // Both have looked when both are told of the pause.
  await eventually(async () => {
    await client.pauseSession("b");
    await client.resumeSession("b");
    expect([deleted.stderr(), wanted.stderr()]).toEqual([
      expect.stringContaining("paused"),
      expect.stringContaining("paused"),
    ]);
  });
  await client.deleteSession("b");
  expect(await deleted.ended).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("the session was deleted"),
  });
  expect(await wanted.ended).toMatchObject({ code: 0, stderr: expect.stringContaining("b was deleted") });
  expect(await waiting(socketPath, "never").ended).toMatchObject({ code: 4 });
  expect(await waiting(socketPath, "b", "--for", "status=deleted").ended).toMatchObject({ code: 0 });
});

it("gives up after --timeout", async () => {
  const { socketPath, create } = await scene();
  await create("a");
  // On a busy machine the time may be over before anything is known of the session.
  await eventually(async () => {
    const { code, stderr } = await waiting(socketPath, "a", "--timeout", "500ms").ended;
    expect([code, stderr]).toEqual([124, "sessionctl: not completed within 500ms; a is running\n"]);
  });
});

it("says that the connection is lost even while it still reads the first statuses", async () => {
  const all = await scene();
  const ids = Array.from({ length: 20 }, (_, n) => `s${n}`);
  for (const id of ids) await all.create(id);
  await all.client.pauseSession("s0");
  const command = waiting(all.socketPath, ...ids);
  await command.says(/s0 is paused/);
  await all.daemon.stop();
  await command.says(/lost the connection to sessiond/);
  await all.restart();
  await command.says(/reconnected to sessiond/);
  for (const id of ids) await all.client.completeSession(id);
  expect(await command.ended).toMatchObject({ code: 0 });
  expect(command.stderr().match(/lost the connection/g)).toHaveLength(1);
});

it("continues over a restart of the daemon, and notices what changed in between", async () => {
  const all = await scene();
  await all.create("a");
  await all.create("b");
  const command = waiting(all.socketPath, "a", "b");
  await eventually(async () => {
    await all.client.pauseSession("a");
    await all.client.resumeSession("a");
    expect(command.stderr()).toContain("paused");
  });
  await all.daemon.stop();
  await command.says(/lost the connection to sessiond/);
  const file = join(all.directory, "a.json");
  const document = JSON.parse(await readFile(file, "utf8")) as object;
  await writeFile(file, JSON.stringify({ ...document, status: "completed" }));
  await all.restart();
  await command.says(/a is completed/);
  await all.client.completeSession("b");
  expect(await command.ended).toMatchObject({ code: 0 });
});

it.each(["nonsense", "\u00e9", "\u202e", "a\nb"])(
  "refuses to continue after %j, which is no event",
  async (since) => {
    const { socketPath } = await scene();
    const { code, stderr } = await events(socketPath, "--since", since).ended;
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/^sessionctl: [^\n]*since[^\n]*\n$/),
    });
  },
);
