/** Runs that are interrupted, from the terminal, from elsewhere, or by the end of their runner or daemon. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Session } from "../../src/session/session.ts";
import { eventually } from "../support/eventually.ts";
import { isAlive, names, outcome, resultOf, type Scene, scene, sh } from "./running-run.ts";

/** Says in `log` when it begins and ends, and holds on as long as there is no `go`. */
const patient = 'echo "begin $1 $$" >> log; until [ -e go ]; do sleep 0.02; done; echo "end $1" >> log';
const quick = 'echo "begin $1 $$" >> log; sleep 0.02; echo "end $1" >> log';

function begun({ lines }: Scene): string[] {
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

/** Processes that guard a run or run for it, by what is in their environment or command line. */
function guards(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("\0run-guard\0") && isAlive(pid);
      } catch {
        return false;
      }
    });
}

test("Ctrl-C once: what runs finishes and is recorded, nothing more begins, and the same command goes on", async () => {
  const at = await scene(names(6));
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
  await at.run("go", "--files", "f0", "--", "touch", "go");
  const { code, stderr } = await outcome(program);
  expect([code, stderr]).toEqual([
    130,
    expect.stringContaining("a is paused: 2 files done, 4 left (interrupted)"),
  ]);
  expect(await at.session()).toMatchObject({
    status: "paused",
    status_reason: "interrupted",
    processed_files: expect.toSatisfy(areFirstTwo),
    pending_files: ["f2", "f3", "f4", "f5"],
  });
  expect((await at.run("a", "--files", "f*", "-j2", ...sh(patient))).code).toBe(0);
  expectComplete(await at.session(), 6);
  expect([...times(at).values()]).toEqual([1, 1, 1, 1, 1, 1]);
});

test.each(["SIGTERM", "SIGHUP"] as const)("%s is a first Ctrl-C", async (signal) => {
  const at = await scene(names(3));
  const program = await at.start("a", "--files", "f*", "-j1", ...sh(`${patient}; kill -0 $$`));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  program.kill(signal);
  await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
  await at.run("go", "--files", "f0", "--", "touch", "go");
  expect((await outcome(program)).code).toBe(130);
  expect(await at.session()).toMatchObject({ status: "paused", processed_files: ["f0"] });
});

test("Ctrl-C twice: what runs is ended with all that it started, stays pending, and runs again", async () => {
  const at = await scene(names(3));
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(`trap '' TERM; ${patient} & wait`));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
  program.kill("SIGINT");
  expect((await outcome(program)).code).toBe(130);
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

test("a file that failed and has attempts left when the run is interrupted stays pending", async () => {
  const at = await scene(names(1));
  const program = await at.start("a", "--files", "f0", "--retries", "5", ...sh(`${patient}; exit 1`));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
  await at.run("go", "--files", "f0", "--", "touch", "go");
  expect((await outcome(program)).code).toBe(130);
  expect(await at.session()).toMatchObject({ status: "paused", pending_files: ["f0"] });
});

test.each([
  ["pause", "paused", 1],
  ["fail", "failed", 1],
  ["complete", "completed", 1],
] as const)(
  "a %s from elsewhere lets what runs finish, and keeps that status",
  async (verb, status, exitCode) => {
    const at = await scene(names(4));
    const program = await at.start("a", "--files", "f*", "-j2", ...sh(patient));
    await eventually(() => expect(begun(at)).toHaveLength(2));
    await at.ctl(verb, "a", "--reason", "lunch");
    await at.run("go", "--files", "f0", "--", "touch", "go");
    const { code, stderr } = await outcome(program);
    expect(code).toBe(exitCode);
    expect(stderr).toContain("(lunch)");
    expect(await at.session()).toMatchObject({
      status,
      status_reason: "lunch",
      processed_files: expect.toSatisfy(areFirstTwo),
      pending_files: ["f2", "f3"],
    });
    expect((await at.run("a", ...sh(quick))).code).toBe(0);
    expectComplete(await at.session(), 4);
    expect([...times(at).values()]).toEqual([1, 1, 1, 1]);
  },
);

test("a session that is deleted ends its run", async () => {
  const at = await scene(names(3));
  const program = await at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  await at.daemon.client.deleteSession("a", { force: true });
  await at.run("go", "--files", "f0", "--", "touch", "go");
  expect(await outcome(program)).toMatchObject({ code: 4, stderr: expect.stringContaining("was deleted") });
  expect(begun(at)).toHaveLength(1);
});

test("two runs never have one session", async () => {
  const at = await scene(names(2));
  const program = await at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  const second = await at.run("a", "--files", "f*", ...sh(quick));
  expect(second).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`run ${program.pid}" is at work on "a"`),
  });
  await at.run("go", "--files", "f0", "--", "touch", "go");
  expect((await outcome(program)).code).toBe(0);
  expectComplete(await at.session(), 2);
});

test("a runner that is killed takes its commands with it, and the same command again finishes", async () => {
  const at = await scene(names(40), { config: "worker: { reattach_grace: 3s }" });
  const args = [
    "a",
    "--files",
    "f*",
    "-j3",
    "--results",
    "out",
    ...sh(`(trap '' TERM; sleep 0.05) & ${quick}; wait`),
  ];
  const before = new Set(guards());
  const program = await at.start(...args);
  await eventually(() => expect(begun(at).length).toBeGreaterThan(8));
  program.kill("SIGKILL");
  await program.exited;
  const first = pids(at);
  await eventually(() => {
    for (const pid of first) expect(isAlive(pid)).toBe(false);
    expect(guards().filter((pid) => !before.has(pid))).toEqual([]);
  });
  const recorded = new Set((await at.session()).processed_files);
  const again = await at.run(...args);
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining("was lost; waiting") });
  expectComplete(await at.session(), 40);
  for (const [file, count] of times(at)) if (recorded.has(file)) expect([file, count]).toEqual([file, 1]);
  const twice = [...times(at).values()].filter((count) => count > 1);
  expect(twice.length).toBeLessThanOrEqual(3 + 64);
  expect([...times(at).values()].every((count) => count <= 2)).toBe(true);
});

test("commands whose runner and guard were killed together are ended before their files run again", async () => {
  const at = await scene(names(2));
  const before = new Set(guards());
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(`trap '' TERM; ${patient}`));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  const own = await eventually(() => {
    const found = guards().filter((pid) => !before.has(pid) && isOf(pid, at));
    expect(found).toHaveLength(1);
    return found;
  });
  program.kill("SIGSTOP");
  for (const pid of own) process.kill(pid, "SIGKILL");
  program.kill("SIGKILL");
  await program.exited;
  const orphans = pids(at);
  expect(orphans.map(isAlive)).toEqual([true, true]);
  const again = await at.run(
    "a",
    ...sh(`for pid in ${orphans.join(" ")}; do echo "$pid $(ls -d /proc/$pid)" >> seen; done`),
  );
  expect(again.code).toBe(0);
  for (const pid of orphans) expect(isAlive(pid)).toBe(false);
});

test("a guard that is killed is replaced", async () => {
  const at = await scene(names(2));
  const before = new Set(guards());
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  const own = () => guards().filter((pid) => !before.has(pid) && isOf(pid, at));
  const [first] = await eventually(() => {
    expect(own()).toHaveLength(1);
    return own();
  });
  process.kill(first as number, "SIGKILL");
  await eventually(() => expect(own().filter((pid) => pid !== first)).toHaveLength(1));
  program.kill("SIGKILL");
  await program.exited;
  await eventually(() => expect(pids(at).some(isAlive)).toBe(false));
});

test("a daemon that is killed is waited for, and nothing runs twice", async () => {
  const at = await scene(names(150), { config: "" });
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(quick));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(5));
  at.daemon.kill("SIGKILL");
  await at.daemon.exited;
  await eventually(() => expect(program.stderr()).toContain("sessiond is away; waiting"));
  const daemon = await at.daemon.restart();
  const { code, stderr } = await outcome(program);
  expect([code, stderr]).toEqual([0, expect.stringContaining("sessiond is back")]);
  expectComplete(await daemon.client.getSession("a"), 150);
  expect([...times(at).values()].every((count) => count === 1)).toBe(true);
}, 40_000);

test("a daemon that does not come back ends the run; nothing counts that was not acknowledged", async () => {
  const at = await scene(names(100));
  const program = await at.start(
    "a",
    "--files",
    "f*",
    "-j2",
    "--reconnect",
    "1s",
    "--joblog",
    "jobs",
    ...sh(quick),
  );
  await eventually(() => expect(begun(at).length).toBeGreaterThan(5));
  at.daemon.kill("SIGKILL");
  const { code, stderr } = await outcome(program);
  expect(code).toBe(3);
  expect(stderr).toContain("sessiond is away; waiting");
  for (const pid of pids(at)) expect(isAlive(pid)).toBe(false);
  const logged = at.lines("jobs").length - 1;
  await at.daemon.restart();
  const stored = await at.session();
  expect(stored.processed_files.length).toBeGreaterThanOrEqual(logged);
  expect((await at.run("a", ...sh(quick))).code).toBe(0);
  expectComplete(await at.session(), 100);
  for (const file of stored.processed_files) expect(times(at).get(file)).toBe(1);
}, 40_000);

test("Ctrl-C twice does not wait for a daemon that is away", async () => {
  const at = await scene(names(20));
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(quick));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(3));
  at.daemon.kill("SIGKILL");
  await eventually(() => expect(program.stderr()).toContain("sessiond is away; waiting"));
  program.kill("SIGINT");
  await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
  program.kill("SIGINT");
  expect((await outcome(program)).code).toBe(130);
});

test("a reader that has seen enough ends the run like a first Ctrl-C", async () => {
  const at = await scene(names(300));
  const program = await at.pipe(
    "head -1",
    "a",
    "--files",
    "f*",
    "-j1",
    "-k",
    ...sh("echo $1 >> ran; echo $1"),
  );
  const { code, stdout } = await outcome(program);
  expect([code, stdout]).toEqual([1, "f0\n"]);
  const stored = await at.session();
  expect(stored).toMatchObject({ status: "paused", status_reason: "nobody reads the output any more" });
  expect([...stored.processed_files].sort()).toEqual([...at.lines("ran")].sort());
  expect(stored.pending_files.length).toBeGreaterThan(0);
});

/** Whether a guard belongs to the run of this test: others may run at the same time. */
function isOf(guard: number, { daemon }: Scene): boolean {
  return readFileSync(`/proc/${guard}/environ`, "latin1").includes(daemon.socket);
}

test("a session that was paused and resumed while its last files finished is not left running", async () => {
  const at = await scene(names(4));
  const program = await at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  await at.ctl("pause", "a");
  await at.ctl("resume", "a");
  await at.run("go", "--files", "f0", "--", "touch", "go");
  expect((await outcome(program)).code).toBe(1);
  expect(await at.session()).toMatchObject({ status: "paused", processed_files: ["f0"] });
});

test.each([
  ["a stderr that nobody reads", "2>&1 >/dev/null | head -1"],
  ["a full disk", "> /dev/full"],
])("%s pauses the run", async (_name, redirection) => {
  const at = await scene(names(200));
  const program = await at.redirected(
    redirection,
    "a",
    "--files",
    "f*",
    "-j2",
    ...sh("echo out; echo err >&2"),
  );
  expect(await outcome(program)).toMatchObject({ code: 1, stderr: expect.not.stringContaining("    at ") });
  const stored = await at.session();
  expect(stored.status).toBe("paused");
  expect(stored.status_reason).toMatch(/output/);
  expect(stored.labels?.["run.mark"]).toBeUndefined();
});

test("Ctrl-C three times ends a run whose daemon does not answer", async () => {
  const at = await scene(names(200));
  const program = await at.start("a", "--files", "f*", "-j2", ...sh(quick));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(4));
  at.daemon.kill("SIGSTOP");
  try {
    program.kill("SIGINT");
    await eventually(() => expect(program.stderr()).toContain("Ctrl-C again"));
    const again = setInterval(() => program.kill("SIGINT"), 100);
    const { code } = await outcome(program).finally(() => clearInterval(again));
    expect(code).toBe(130);
  } finally {
    at.daemon.kill("SIGCONT");
  }
});

test("a run whose session file is broken for good ends, and leaves the session", async () => {
  const at = await scene(names(200));
  const program = await at.start("a", "--files", "f*", "-j2", "--reconnect", "1s", ...sh(quick));
  await eventually(() => expect(begun(at).length).toBeGreaterThan(4));
  writeFileSync(join(at.daemon.sessionsDir, "a.json"), "{");
  expect(await outcome(program)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("not valid JSON"),
  });
});
