/** Trouble of the runner's own: no file is charged with it, and the run says what it was. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { clientOf } from "../client/http/fake-daemon.ts";
import { startDaemonIn } from "../client/running-daemon.ts";
import { fill, smallDisk } from "../e2e/small-disk.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import {
  names,
  outcome,
  resultOf,
  type Scene,
  type SceneDaemon,
  scene,
  sceneWith,
  sh,
} from "./running-run.ts";

/** Notes its file in `log`, and holds on as long as there is no `go`. */
const patient = 'echo "$1" >> log; until [ -e go ]; do sleep 0.02; done';

async function expectPaused(
  { session }: Scene<SceneDaemon>,
  reason: RegExp,
  pending: string[],
): Promise<void> {
  const stored = await session();
  expect([...stored.pending_files].sort()).toEqual(pending);
  expect(stored).toMatchObject({ status: "paused", status_reason: expect.stringMatching(reason) });
  for (const file of pending) expect(stored.partial_results).not.toHaveProperty([file]);
}

test("files whose output the disk does not take stay pending, and run again when there is room", async () => {
  const at = await scene(names(4));
  const disk = await smallDisk("256k");
  const results = join(disk, "out");
  const args = ["a", "--files", "f*", "-j2", "--results", results, "--progress", "none"];
  const script = "head -c 100000 /dev/zero || exit 1";
  const { code, stderr } = await at.run(...args, ...sh(script));
  expect(code).toBe(1);
  expect(stderr).toContain(`the results directory ${results} takes no write: ENOSPC`);
  const stored = await at.session();
  expect(stored).toMatchObject({ status: "paused", status_reason: expect.stringContaining("ENOSPC") });
  for (const file of stored.processed_files) {
    expect(resultOf(stored, file)).toMatchObject({ exit_code: 0, truncated: { stdout: 100_000 } });
    expect(readFileSync(join(results, file, "stdout"))).toHaveLength(100_000);
  }
  expect(stored.pending_files.length).toBeGreaterThan(0);
  expect(spawnSync("mount", ["-o", "remount,size=2m", disk]).status).toBe(0);
  expect((await at.run(...args, ...sh(script))).code).toBe(0);
  for (const file of names(4)) expect(readFileSync(join(results, file, "stdout"))).toHaveLength(100_000);
});

test("a command that does not notice the full disk is no success", async () => {
  const at = await scene(["f"]);
  const disk = await smallDisk("256k");
  const args = ["a", "--files", "f", "--results", disk, "--progress", "none"];
  expect((await at.run(...args, ...sh("head -c 1000000 /dev/zero; true"))).code).toBe(1);
  await expectPaused(at, /ENOSPC/, ["f"]);
});

test("a file that fails while the directory for temporary files is full stays pending", async () => {
  const at = await scene(names(2));
  const disk = await smallDisk("128k");
  const before = process.env.TMPDIR;
  process.env.TMPDIR = disk;
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  });
  const script = "cat /dev/zero > $TMPDIR/junk";
  const { code, stderr } = await at.run("a", "--files", "f*", "-j1", ...sh(script));
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining(`temporary files, ${disk}, takes no write: ENOSPC`),
  ]);
  await expectPaused(at, /temporary files/, names(2));
  // A directory that is full from the start says nothing about a file.
  fill(join(disk, "junk"));
  expect((await at.run("a", ...sh("exit 3"))).code).toBe(1);
  expect(await at.session()).toMatchObject({ status: "failed", pending_files: [] });
});

test("a run says that the disk of the store is full, waits, and says when there is space", async () => {
  const disk = await smallDisk();
  const sessionsDir = join(disk, "sessions");
  const { socketPath: socket } = await startDaemonIn(sessionsDir);
  const at = await sceneWith({ client: clientOf(socket), socket, sessionsDir }, ["f"]);
  const run = at.start("a", "--files", "f", "--progress", "none", ...sh(`${patient}; seq 4000`));
  await eventually(() => expect(at.lines("log")).toEqual(["f"]));
  const ballast = join(disk, "ballast");
  fill(ballast);
  writeFileSync(join(at.dir, "go"), "");
  await eventually(() =>
    expect(run.stderr()).toContain("the disk of the store is full; the run waits 1min at most"),
  );
  rmSync(ballast);
  expect((await run.ended).code).toBe(0);
  expect(run.stderr()).toContain("the disk of the store has space again");
  expect(run.stderr().match(/is full/g)).toHaveLength(1);
});

test("a job log that takes no write ends the run, and keeps whole lines", async () => {
  const at = await scene(names(30));
  const disk = await smallDisk("64k");
  const log = join(disk, "log");
  writeFileSync(log, `${"x".repeat(4000)}\n`);
  fill(join(disk, "full"));
  const { code, stderr } = await at.run(
    ...["a", "--files", "f*", "-j1", "--joblog", log],
    ...sh(`true ${"y".repeat(60)}`),
  );
  expect([code, stderr]).toEqual([1, expect.stringContaining(`cannot write the job log ${log}: ENOSPC`)]);
  expect(readFileSync(log, "utf8")).toMatch(/\n$/);
  expect(await at.session()).toMatchObject({
    status: "paused",
    status_reason: expect.stringContaining("job log"),
  });
});

test("a job log that a crash cut short goes on with a line of its own", async () => {
  const at = await scene(["f"]);
  const log = join(at.dir, "log");
  writeFileSync(log, "torn");
  expect((await at.run("a", "--files", "f", "--joblog", log, ...sh("true"))).code).toBe(0);
  expect(at.lines("log")).toEqual(["torn", expect.stringMatching(/^1\t/)]);
});

test("files do not fail because the results directory is gone, or output in it was deleted", async () => {
  const at = await scene(names(3));
  const run = at.start("a", "--files", "f*", "-j1", "--results", "out", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toEqual(["f0"]));
  rmSync(join(at.dir, "out"), { recursive: true });
  writeFileSync(join(at.dir, "go"), "");
  const { code, stderr } = await run.ended;
  expect([code, stderr]).toEqual([1, expect.stringContaining("the output of f0 was deleted")]);
  await expectPaused(at, /was deleted/, names(3));
  expect((await at.run("a", "--results", "out", "-j1", ...sh("mv out away"))).code).toBe(1);
  await expectPaused(at, /results directory .*out is gone/, names(3));
});

test("no file fails because the working directory is gone", async () => {
  const at = await scene([]);
  const cwd = join(await tempDir(), "cwd");
  mkdirSync(cwd);
  const list = join(at.dir, "list");
  writeFileSync(list, "x\ny\nz\n");
  const args = ["a", "--files-from", list, "-j1", "--cwd", cwd, "--progress", "none"];
  const { code, stderr } = await at.run(...args, ...sh(`[ $1 = y ] && rmdir ${cwd}; true`));
  expect([code, stderr]).toEqual([1, expect.stringContaining(`the working directory ${cwd} is gone`)]);
  await expectPaused(at, /working directory/, ["z"]);
});

test("no file fails because the program is gone, or may not be run any more", async () => {
  const at = await scene(names(3));
  const program = join(at.dir, "tool");
  writeFileSync(program, "#!/bin/sh\n[ $1 = f0 ] || exit 0\nrm tool\n", { mode: 0o755 });
  const args = ["a", "--files", "f*", "-j1", "--", "./tool"];
  const gone = await at.run(...args);
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining('there is no program "./tool"')]);
  await expectPaused(at, /there is no program/, ["f1", "f2"]);
  writeFileSync(program, "#!/bin/sh\nchmod -x tool\n", { mode: 0o755 });
  expect((await at.run(...args)).code).toBe(1);
  await expectPaused(at, /not executable/, ["f2"]);
  writeFileSync(program, "#!/no/such/interpreter\n");
  chmodSync(program, 0o755);
  expect((await at.run(...args)).code).toBe(1);
  await expectPaused(
    at,
    /cannot start \.\/tool: the program, or the interpreter in its first line, does not exist/,
    ["f2"],
  );
});

test("no file fails because there are too many open files", async () => {
  const at = await scene(names(3));
  const program = await at.startProcess("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toEqual(["f0"]));
  expect(spawnSync("prlimit", ["--pid", String(program.pid), "--nofile=16:16"]).status).toBe(0);
  writeFileSync(join(at.dir, "go"), "");
  const { code, stderr } = await outcome(program);
  expect([code, stderr]).toEqual([1, expect.stringContaining("too many open files (EMFILE)")]);
  await expectPaused(at, /EMFILE/, ["f1", "f2"]);
});

test("results go nowhere that takes no write, and nothing is changed", async () => {
  const at = await scene(["f"]);
  const disk = await smallDisk("64k");
  fill(join(disk, "full"));
  const { code, stderr } = await at.run("a", "--files", "f", "--results", disk, ...sh("true"));
  expect([code, stderr]).toEqual([
    1,
    expect.stringContaining(`the results directory ${disk} takes no write`),
  ]);
  expect((await at.ctl("list", "-q")).stdout).toBe("");
  writeFileSync(join(at.dir, "file"), "");
  const { code: onFile, stderr: why } = await at.run("a", "--files", "f", "--results", "file", ...sh("true"));
  expect([onFile, why]).toEqual([1, expect.stringContaining("cannot make the results directory")]);
});
