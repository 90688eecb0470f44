/**
 * Runs as the processes that they are: real signals, a runner that is killed, its guard, a reader that
 * leaves.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import {
  guardsOf,
  isAlive,
  names,
  outcome,
  type Scene,
  type SceneDaemon,
  scene,
  sceneWith,
  sh,
} from "./running-run.ts";

/** Notes its file and process in `log`, and holds on as long as there is no `go`. */
const patient = 'echo "$1 $$" >> log; until [ -e go ]; do sleep 0.05; done';

function begun({ lines }: Scene<SceneDaemon>): { file: string; pid: number }[] {
  return lines("log").map((line) => {
    const [file, pid] = line.split(" ") as [string, string];
    return { file, pid: Number(pid) };
  });
}

test("Ctrl-C drains a run, which ends with 130", async () => {
  const at = await scene(names(3));
  const program = await at.startProcess("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("press Ctrl-C again"));
  writeFileSync(join(at.dir, "go"), "");
  expect(await outcome(program)).toMatchObject({
    code: 130,
    stderr: expect.stringContaining("a is paused: 1 file done, 2 left (interrupted)"),
  });
  expect(await at.session()).toMatchObject({ status: "paused", processed_files: ["f0"] });
});

test("a command that the Ctrl-C has ended has not failed", async () => {
  const at = await scene(names(2));
  const program = await at.startProcess("a", "--files", "f*", "-j1", ...sh(`${patient}; kill -INT $$`));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("press Ctrl-C again"));
  writeFileSync(join(at.dir, "go"), "");
  expect(await outcome(program)).toMatchObject({ code: 130 });
  const { processed_files, pending_files, partial_results } = await at.session();
  expect({ processed_files, pending_files, partial_results }).toEqual({
    processed_files: [],
    pending_files: ["f0", "f1"],
    partial_results: {},
  });
});

test("Ctrl-C three times ends a run whose daemon does not answer", async () => {
  const at = await sceneWith(await startDaemon(), names(3));
  const program = await at.startProcess("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  at.daemon.kill("SIGSTOP");
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("press Ctrl-C again"));
  const again = setInterval(() => program.kill("SIGINT"), 100);
  const { code } = await outcome(program).finally(() => clearInterval(again));
  expect(code).toBe(130);
  await eventually(() => expect(begun(at).some(({ pid }) => isAlive(pid))).toBe(false));
});

test("a runner that is killed takes its commands with it, and the same command again finishes", async () => {
  const at = await scene(names(20), "worker: { reattach_grace: 1h }");
  const script = `(trap '' TERM; sleep 0.05) & echo "$1 $$" >> log; [ $1 != f9 ] || [ -e go ] || sleep 60; wait`;
  const args = ["a", "--files", "f*", "-j3", "--results", "out", ...sh(script)];
  const program = await at.startProcess(...args);
  await eventually(() => expect(begun(at).map(({ file }) => file)).toContain("f9"));
  program.kill("SIGKILL");
  await program.exited;
  const first = begun(at).map(({ pid }) => pid);
  await eventually(() => {
    for (const pid of first) expect(isAlive(pid)).toBe(false);
    expect(guardsOf(at)).toEqual([]);
  });
  const recorded = new Set((await at.session()).processed_files);
  writeFileSync(join(at.dir, "go"), "");
  const again = await at.run(...args);
  expect(again.code).toBe(0);
  expect(await at.session()).toMatchObject({ status: "completed", pending_files: [] });
  const times = (file: string) => begun(at).filter((each) => each.file === file).length;
  expect(times("f9")).toBe(2);
  for (const file of names(20)) {
    expect(times(file)).toBeLessThanOrEqual(2);
    if (recorded.has(file)) expect([file, times(file)]).toEqual([file, 1]);
  }
});

test("commands are stopped before their files run again, even if runner and guard were killed", async () => {
  const at = await scene(names(2));
  const program = await at.startProcess("a", "--files", "f*", "-j2", ...sh(`trap '' TERM; ${patient}`));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  const [guard] = await eventually(() => {
    expect(guardsOf(at)).toHaveLength(1);
    return guardsOf(at) as [number];
  });
  program.kill("SIGSTOP");
  process.kill(guard, "SIGKILL");
  program.kill("SIGKILL");
  await program.exited;
  const orphans = begun(at).map(({ pid }) => pid);
  expect(orphans.map(isAlive)).toEqual([true, true]);
  const statusFiles = orphans.map((pid) => `/proc/${pid}/status`).join(" ");
  // A zombie waits for its parent, and does nothing any more.
  const script = `cat ${statusFiles} 2>/dev/null | grep ^State: | grep -v Z >> seen; true`;
  expect([(await at.run("a", ...sh(script))).code, at.lines("seen")]).toEqual([0, []]);
  for (const pid of orphans) expect(isAlive(pid)).toBe(false);
});

test("a guard that is killed is replaced", async () => {
  const at = await scene(names(2));
  const program = await at.startProcess("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  const [first] = await eventually(() => {
    expect(guardsOf(at)).toHaveLength(1);
    return guardsOf(at) as [number];
  });
  process.kill(first, "SIGKILL");
  await eventually(() => expect(guardsOf(at).filter((pid) => pid !== first)).toHaveLength(1));
  program.kill("SIGKILL");
  await program.exited;
  await eventually(() => expect(begun(at).some(({ pid }) => isAlive(pid))).toBe(false));
});

test("a reader that closes the pipe stops the run like a first Ctrl-C", async () => {
  const at = await scene(names(100));
  const script = "echo $1 >> ran; [ $1 = f0 ] || until [ -e gone ]; do sleep 0.05; done; echo $1";
  const program = await at.redirected(
    "| { head -1; touch gone; }",
    ...["a", "--files", "f*", "-j1", "-k"],
    ...sh(script),
  );
  const { code, stdout } = await outcome(program);
  expect([code, stdout]).toEqual([1, "f0\n"]);
  const stored = await at.session();
  expect(stored).toMatchObject({ status: "paused", status_reason: "the reader of the output has closed it" });
  expect([...stored.processed_files].sort()).toEqual([...at.lines("ran")].sort());
  expect(stored.pending_files.length).toBeGreaterThan(0);
});

test.each([
  ["a stderr that nobody reads", "2>&1 >/dev/null | head -1"],
  ["a full disk", "> /dev/full"],
])("%s pauses the run", async (_name, redirection) => {
  const at = await scene(names(50));
  const program = await at.redirected(
    redirection,
    ...["a", "--files", "f*", "-j2"],
    ...sh("echo out; echo err >&2"),
  );
  expect(await outcome(program)).toMatchObject({ code: 1, stderr: expect.not.stringContaining("    at ") });
  const stored = await at.session();
  expect(stored.status).toBe("paused");
  expect(stored.status_reason).toMatch(/output/);
  expect(stored.run).not.toHaveProperty("mark");
});
