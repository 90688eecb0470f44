/** Commands where nothing is set up: they make a store, start its daemon, and start it again after a kill. */
import { existsSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { eventually } from "../support/eventually.ts";
import { kill, type Unprepared, unprepared } from "../support/set-up-nothing.ts";
import { testWithoutService as test } from "../support/system-service.ts";

/** Waits until the file `go` is there, so that a test knows that a run is under way. */
const patient = ["sh", "-c", 'echo "$1" >> log; until [ -e go ]; do sleep 0.02; done', "sh", "{}"];
const run = (...more: string[]) => ["run", "lint", "--files", "**/*.js", "--progress", "none", ...more];

async function daemonOf(at: Unprepared): Promise<number> {
  return eventually(() => {
    expect(at.daemons()).toHaveLength(1);
    return at.daemons()[0] as number;
  });
}

test("in a directory where nothing is set up, run makes a store and the other commands find it", async () => {
  const at = await unprepared();
  const first = await at.ctl([...run("-j1"), "--", "cat", "{}"]);
  expect(first).toEqual({ code: 0, stdout: "a.jsb.js", stderr: expect.stringContaining(at.store) });
  expect(statSync(at.store).mode & 0o777).toBe(0o700);
  expect(readFileSync(join(at.store, ".gitignore"), "utf8")).toBe("*\n");
  expect(await at.ctl(["list", "-q"])).toMatchObject({ code: 0, stdout: "lint\n" });
  const [pid] = at.daemons() as [number];
  const status = await at.ctl(["status"]);
  expect(status.stdout).toContain(`pid ${pid}`);
  expect(status.stdout).toContain(at.store);
  expect(status.stdout).toContain("the store of the working directory");
  // It holds on to nothing of the command that started it.
  expect(readlinkSync(`/proc/${pid}/cwd`)).toBe("/");
  expect(readlinkSync(`/proc/${pid}/fd/0`)).toBe("/dev/null");
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const [, , , session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  expect(Number(session)).toBe(pid);
});

test("a killed daemon is started again by its run, and by the next command", async () => {
  const at = await unprepared(["a.js", "b.js", "c.js", "d.js"]);
  const program = await at.start([...run("-j2"), "--", ...patient]);
  await eventually(() => expect(readFileSync(join(at.dir, "log"), "utf8").split("\n")).toHaveLength(3));
  const before = await daemonOf(at);
  kill(before);
  await eventually(() => {
    expect(at.daemons()).toHaveLength(1);
    expect(at.daemons()).not.toContain(before);
  });
  await writeFile(join(at.dir, "go"), "");
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.stderr()).toContain("4 files done");
  // Each command ran once.
  expect(readFileSync(join(at.dir, "log"), "utf8").split("\n").sort()).toHaveLength(5);
  kill(await daemonOf(at));
  expect(await at.ctl(["list", "-q"])).toMatchObject({ code: 0, stdout: "lint\n" });
});

test("stop names the runs that it would end, and ends them with --force; they stay ended", async () => {
  const at = await unprepared();
  const program = await at.start([...run("-j1"), "--", ...patient]);
  await eventually(() => expect(existsSync(join(at.dir, "log"))).toBe(true));
  const refused = await at.ctl(["stop"]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/lint.*--force/s) });
  expect(await at.ctl(["stop", "--force"])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("the run of lint"),
  });
  // The store is free: it may be deleted or unmounted.
  expect(at.daemons()).toEqual([]);
  expect(await program.exited).toMatchObject({ code: 3 });
  expect(await at.ctl(["stop"])).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("nothing to stop"),
  });
  await writeFile(join(at.dir, "go"), "");
  expect(await at.ctl([...run(), "--", ...patient])).toMatchObject({ code: 0 });
});

test("a run that only goes on makes no store", async () => {
  const at = await unprepared();
  expect(await at.ctl(["run", "lint"])).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("there is no .sessions here or above"),
  });
  expect(await at.ctl(["list"])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("sessionctl run and sessionctl create make one"),
  });
  expect(existsSync(at.store)).toBe(false);
});

test("--no-start starts nothing, with a store and without", async () => {
  const at = await unprepared();
  const without = await at.ctl(["--no-start", ...run(), "--", "true"]);
  expect(without).toMatchObject({ code: 3, stderr: expect.stringContaining("--no-start") });
  expect(existsSync(at.store)).toBe(false);
  await mkdir(at.store, { mode: 0o700 });
  expect(await at.ctl(["list", "--no-start"])).toMatchObject({
    code: 3,
    stderr: expect.stringContaining(at.store),
  });
  expect(at.daemons()).toEqual([]);
});
