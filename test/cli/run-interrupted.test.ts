/**
 * Runs that are interrupted: by signals, from elsewhere, by a reader that leaves, by a daemon that goes away.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { takeSignals } from "../../src/cli/signals.ts";
import { markVariable, newMark } from "../../src/runner/mark.ts";
import type { Session } from "../../src/session/session.ts";
import type { Wire } from "../client/worker/fixture.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import {
  isAlive,
  letGo,
  names,
  resultOf,
  type Scene,
  type SceneDaemon,
  scene,
  sceneOnWire,
  sceneWith,
  sh,
} from "./running-run.ts";

/** Says in `log` when it begins and ends, and holds on as long as there is no `go`. */
const patient = 'echo "begin $1 $$" >> log; until [ -e go ]; do sleep 0.05; done; echo "end $1" >> log';
const quick = 'echo "begin $1 $$" >> log; echo "end $1" >> log';
/** The first files are quick, and the others hold on. */
const held = `${quick}; [ $(wc -l < log) -lt 12 ] || until [ -e go ]; do sleep 0.05; done`;

/** As when the daemon is gone. */
function disconnect({ wire }: { wire: Wire }): void {
  wire.closed = true;
  wire.cut();
}

function begun({ lines }: Scene<SceneDaemon>): string[] {
  return lines("log").filter((line) => line.startsWith("begin"));
}

function pids(at: Scene): number[] {
  return begun(at).map((line) => Number(line.split(" ")[2]));
}

/** How often each file was begun. */
function times(at: Scene): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of begun(at)) {
    const file = line.split(" ")[1] as string;
    counts.set(file, (counts.get(file) ?? 0) + 1);
  }
  return counts;
}

function areFirstTwo(files: readonly string[]): boolean {
  return [...files].sort().join() === "f0,f1";
}

function expectComplete(stored: Session, count: number): void {
  expect(stored).toMatchObject({ status: "completed", pending_files: [] });
  expect([...stored.processed_files].sort()).toEqual(names(count).sort());
  for (const file of names(count)) expect(resultOf(stored, file)).toMatchObject({ exit_code: 0 });
}

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
  "%s once: what runs finishes and is recorded, nothing more begins, and the same command goes on",
  async (signal) => {
    const at = await scene(names(6));
    const run = at.start("a", "--files", "f*", "-j2", ...sh(patient));
    await eventually(() => expect(begun(at)).toHaveLength(2));
    run.kill(signal);
    expect(run.stderr()).toContain("press Ctrl-C again");
    letGo(at);
    expect(await run.ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining("a is paused: 2 files done, 4 left (interrupted)"),
    });
    expect(await at.session()).toMatchObject({
      status: "paused",
      status_reason: "interrupted",
      processed_files: expect.toSatisfy(areFirstTwo),
      pending_files: ["f2", "f3", "f4", "f5"],
    });
    expect(await at.run("a", "--files", "f*", "-j2", ...sh(patient))).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("a is completed: 6 files done (2 of them earlier)\n"),
    });
    expectComplete(await at.session(), 6);
    expect([...times(at).values()]).toEqual([1, 1, 1, 1, 1, 1]);
  },
);

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("the real signal %s reaches a run", async (signal) => {
  const counts: number[] = [];
  const giveBack = takeSignals(process, (count) => void counts.push(count));
  onTestFinished(giveBack);
  for (const expected of [[1], [1, 2]]) {
    process.kill(process.pid, signal);
    await eventually(() => expect(counts).toEqual(expected));
  }
});

test("Ctrl-C twice: running commands are stopped with all their children, and their files stay pending", async () => {
  const at = await scene(names(3));
  const run = at.start("a", "--files", "f*", "-j2", ...sh(`trap '' TERM; ${patient} & wait`));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  run.kill("SIGINT");
  run.kill("SIGINT");
  expect((await run.ended).code).toBe(130);
  for (const pid of pids(at)) expect(isAlive(pid)).toBe(false);
  expect(await at.session()).toMatchObject({
    status: "paused",
    status_reason: "interrupted",
    processed_files: [],
    pending_files: names(3),
  });
  await at.run("a", ...sh(quick));
  expectComplete(await at.session(), 3);
});

test("a failed file with attempts left stays pending when the run is interrupted", async () => {
  const at = await scene(names(1));
  const run = at.start("a", "--files", "f0", "--retries", "5", ...sh(`${patient}; exit 1`));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  run.kill("SIGINT");
  letGo(at);
  expect((await run.ended).code).toBe(130);
  expect(await at.session()).toMatchObject({ status: "paused", pending_files: ["f0"] });
});

test.each([
  ["pause", "paused", 1],
  ["fail", "failed", 1],
  ["complete", "completed", 1],
] as const)(
  "a %s from elsewhere lets what runs finish, and keeps that status; a pause does so with --on-pause exit",
  async (verb, status, exitCode) => {
    const at = await scene(names(4));
    const run = at.start("a", "--files", "f*", "-j2", "--on-pause", "exit", ...sh(patient));
    await eventually(() => expect(begun(at)).toHaveLength(2));
    await at.ctl(verb, "a", "--reason", "lunch");
    letGo(at);
    expect(await run.ended).toMatchObject({ code: exitCode, stderr: expect.stringContaining("(lunch)") });
    expect(await at.session()).toMatchObject({
      status,
      status_reason: "lunch",
      processed_files: expect.toSatisfy(areFirstTwo),
      pending_files: ["f2", "f3"],
    });
    expect((await at.run("a", "--keep-done", ...sh(quick))).code).toBe(0);
    expectComplete(await at.session(), 4);
    expect([...times(at).values()]).toEqual([1, 1, 1, 1]);
  },
);

test("a session that is deleted ends its run", async () => {
  const at = await scene(names(3));
  const run = at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  await at.daemon.client.deleteSession("a", { force: true });
  letGo(at);
  expect(await run.ended).toMatchObject({ code: 4, stderr: expect.stringContaining("was deleted") });
  expect(begun(at)).toHaveLength(1);
});

test("two runs never share a session", async () => {
  const at = await scene(names(2));
  const run = at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  expect(await at.run("a", "--files", "f*", ...sh(quick))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`run ${run.host.pid}" is working on "a"`),
  });
  letGo(at);
  expect((await run.ended).code).toBe(0);
  expectComplete(await at.session(), 2);
});

test("a session that was paused and resumed while its last files finished is not left running", async () => {
  const at = await scene(names(4));
  const run = at.start("a", "--files", "f*", "-j1", "--on-pause", "exit", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  await at.ctl("pause", "a");
  await at.ctl("resume", "a");
  letGo(at);
  expect((await run.ended).code).toBe(1);
  expect(await at.session()).toMatchObject({ status: "paused", processed_files: ["f0"] });
});

test("commands that an earlier run left behind are stopped before its files run again", async () => {
  const at = await scene(names(2));
  const mark = newMark();
  const orphan = spawn("sh", ["-c", "trap '' TERM; while :; do sleep 60; done"], {
    detached: true,
    stdio: "ignore",
    env: { ...process.env, [markVariable]: mark },
  });
  const ended = once(orphan, "exit");
  onTestFinished(() => void orphan.kill("SIGKILL"));
  const { client } = at.daemon;
  await client.createSession({ session_id: "a", config: { target_path: "." }, pending_files: names(2) });
  await client.editSession("a", { run: { mark } });
  const script = `grep ^State: /proc/${orphan.pid}/status 2>/dev/null | grep -v Z >> seen; true`;
  expect([(await at.run("a", ...sh(script))).code, at.lines("seen")]).toEqual([0, []]);
  expect(await ended).toEqual([null, "SIGKILL"]);
});

test("a run reconnects to a daemon that was killed, and nothing runs twice", async () => {
  const at = await sceneWith(await startDaemon(), names(12));
  const run = at.start("a", "--files", "f*", "-j2", ...sh(held));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(5));
  at.daemon.kill("SIGKILL");
  await at.daemon.exited;
  await eventually(() => expect(run.stderr()).toContain("lost the connection to sessiond"));
  letGo(at);
  const daemon = await at.daemon.restart();
  expect(await run.ended).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("reconnected to sessiond"),
  });
  expectComplete(await daemon.client.getSession("a"), 12);
  expect([...times(at).values()].every((count) => count === 1)).toBe(true);
});

test("a run ends when it cannot reconnect, and only acknowledged results count", async () => {
  const at = await sceneOnWire(names(40));
  const run = at.start("a", "--files", "f*", "-j2", "--reconnect", "1s", "--joblog", "jobs", ...sh(held));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(5));
  disconnect(at);
  letGo(at);
  expect(await run.ended).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("lost the connection to sessiond"),
  });
  for (const pid of pids(at)) expect(isAlive(pid)).toBe(false);
  const logged = at.lines("jobs").length - 1;
  at.wire.closed = false;
  const stored = await at.session();
  expect(stored.processed_files.length).toBeGreaterThanOrEqual(logged);
  expect((await at.run("a", "--keep-done", ...sh(quick))).code).toBe(0);
  expectComplete(await at.session(), 40);
  for (const file of stored.processed_files) expect(times(at).get(file)).toBe(1);
});

test("Ctrl-C twice does not wait for the connection to come back", async () => {
  const at = await sceneOnWire(names(20));
  const run = at.start("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  disconnect(at);
  await eventually(() => expect(run.stderr()).toContain("lost the connection to sessiond"));
  run.kill("SIGINT");
  run.kill("SIGINT");
  expect((await run.ended).code).toBe(130);
});

test("a run ends when its session becomes unreadable, and leaves the session as it is", async () => {
  const at = await scene(names(20));
  const run = at.start("a", "--files", "f*", "-j2", "--reconnect", "1s", ...sh(held));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(5));
  writeFileSync(join(at.daemon.sessionsDir, "a.json"), "{");
  await eventually(() => expect(at.session()).rejects.toThrow("not valid JSON"));
  letGo(at);
  expect(await run.ended).toMatchObject({ code: 1, stderr: expect.stringContaining("not valid JSON") });
});
