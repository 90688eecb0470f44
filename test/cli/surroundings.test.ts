/** What the programs do in odd surroundings: signals, no working directory, few descriptors, as process 1. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Program, sessiondProgram, startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { testWithoutService } from "../support/system-service.ts";
import { tempDir } from "../support/temp-dir.ts";
import { sessionctlProgram } from "./command-line.ts";
import { guardsOf, names, outcome, type Scene, type SceneDaemon, scene, sh } from "./running-run.ts";

/** Notes its file in `log`, and holds on as long as there is no `go`. */
const patient = 'echo "$1" >> log; until [ -e go ] || [ -e "go.$1" ]; do sleep 0.02; done';

/** Whether the process has a handler for the signal. Node.js has one of its own for SIGUSR1. */
function catches(pid: number, signal: NodeJS.Signals): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return ((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

async function startedRun(at: Scene<SceneDaemon>): Promise<Program> {
  const program = await at.startProcess("a", "--files", "f*", "-j1", "--progress", "none", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toEqual(["f0"]));
  return program;
}

test.each(["SIGQUIT", "SIGXCPU", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR"] as const)(
  "%s drains a run like Ctrl-C, and leaves its session paused",
  async (signal) => {
    const at = await scene(names(2));
    const program = await startedRun(at);
    program.kill(signal);
    await eventually(() => expect(program.stderr()).toContain("press Ctrl-C again"));
    writeFileSync(join(at.dir, "go"), "");
    expect((await outcome(program)).code).toBe(130);
    expect(await at.session()).toMatchObject({
      status: "paused",
      status_reason: "interrupted",
      processed_files: ["f0"],
    });
  },
);

test("a limit of processor time that is over stays a first Ctrl-C, however often it is told", async () => {
  const at = await scene(names(2));
  const program = await startedRun(at);
  for (let count = 0; count < 3; count++) program.kill("SIGXCPU");
  await eventually(() => expect(program.stderr()).toContain("press Ctrl-C again"));
  for (let count = 0; count < 3; count++) program.kill("SIGXCPU");
  writeFileSync(join(at.dir, "go"), "");
  expect((await outcome(program)).code).toBe(130);
  expect(await at.session()).toMatchObject({ processed_files: ["f0"] });
});

test("a run and its guard ignore SIGUSR1 and SIGUSR2, and open no debugger port", async () => {
  const at = await scene(names(2));
  const program = await startedRun(at);
  const [guard] = await eventually(() => {
    expect(guardsOf(at)).toHaveLength(1);
    return guardsOf(at) as [number];
  });
  // The last one for which it gets a handler.
  await eventually(() => expect(catches(guard, "SIGSTKFLT")).toBe(true));
  for (const signal of ["SIGUSR1", "SIGUSR2"] as const) {
    program.kill(signal);
    process.kill(guard, signal);
  }
  for (const signal of ["SIGQUIT", "SIGXCPU", "SIGALRM", "SIGTERM", "SIGHUP"] as const)
    process.kill(guard, signal);
  writeFileSync(join(at.dir, "go.f0"), "");
  await eventually(() => expect(at.lines("log")).toEqual(["f0", "f1"]));
  expect(guardsOf(at)).toEqual([guard]);
  writeFileSync(join(at.dir, "go"), "");
  const { code, stderr } = await outcome(program);
  expect([code, stderr]).toEqual([0, expect.not.stringMatching(/[Dd]ebugger/)]);
  expect(await at.session()).toMatchObject({ status: "completed" });
});

test.each([["wait", "a"], ["events"]])("%s ignores SIGUSR1 and SIGUSR2", async (...args) => {
  const daemon = await startDaemon();
  await daemon.client.createSession({ session_id: "a", config: { target_path: "/" } });
  const program = await startProgram(sessionctlProgram, args, { env: { SESSIOND_SOCKET: daemon.socket } });
  await eventually(() => expect(catches(program.pid, "SIGUSR2")).toBe(true));
  program.kill("SIGUSR1");
  program.kill("SIGUSR2");
  await eventually(async () => {
    await daemon.client.editSession("a", { labels: { at: String(performance.now()) } });
    if (args[0] === "events") expect(program.stdout()).toContain("a");
  });
  await daemon.client.completeSession("a");
  if (args[0] === "events") {
    await eventually(() => expect(program.stdout()).toContain("completed"));
    program.kill("SIGINT");
  }
  expect(await outcome(program)).toMatchObject({
    code: args[0] === "events" ? 130 : 0,
    stderr: expect.not.stringMatching(/[Dd]ebugger/),
  });
});

/** A program that is started in a directory that is then deleted. */
async function withoutDirectory(script: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const cwd = join(await tempDir(), "gone");
  const wrap = ["bash", "-c", `mkdir ${cwd} && cd ${cwd} && rmdir ${cwd} && exec "$0" "$@"`];
  return outcome(await startProgram(script, args, { wrap, env }));
}

test("a deleted working directory matters only to what needs it", async () => {
  const at = await scene(["f"]);
  const { socket, client } = at.daemon;
  await client.createSession({ session_id: "a", config: { target_path: "/" } });
  const env = { SESSIOND_SOCKET: socket };
  expect(await withoutDirectory(sessionctlProgram, ["list", "-q"], env)).toMatchObject({
    code: 0,
    stdout: "a\n",
  });
  const url = ["create", "https://host/repo", "--id", "b"];
  expect(await withoutDirectory(sessionctlProgram, url, env)).toMatchObject({ code: 0, stdout: "b\n" });
  const run = ["run", "c", "--cwd", at.dir, "--files", "f", "--", "cat"];
  expect(await withoutDirectory(sessionctlProgram, run, env)).toMatchObject({ code: 0, stdout: "f" });
  const gone = "the working directory has been deleted, or its name is not UTF-8; change to another one";
  for (const args of [
    ["create", "src"],
    ["run", "d", "--files", "f", "--", "cat"],
    ["export", "a", "-o", "x"],
  ])
    expect(await withoutDirectory(sessionctlProgram, args, env)).toMatchObject({
      code: 1,
      stderr: `sessionctl: ${gone}\n`,
    });
  expect(await withoutDirectory(sessiondProgram, [])).toMatchObject({
    code: 1,
    stderr: `sessiond: ${gone}\n`,
  });
  expect(await withoutDirectory(sessiondProgram, ["--version"])).toMatchObject({ code: 0 });
});

testWithoutService("without a daemon, a deleted working directory is no bug", async () => {
  expect(await withoutDirectory(sessionctlProgram, ["list"], { XDG_RUNTIME_DIR: "/none" })).toMatchObject({
    code: 3,
    stderr: expect.not.stringContaining("bug"),
  });
});

test("a working directory whose name is not UTF-8 gets no directory beside it", async () => {
  const base = await tempDir();
  const wrap = ["bash", "-c", `mkdir ${base}/$'odd\\xff' && cd ${base}/odd* && exec "$0" "$@"`];
  const args = ["--store", ".sessions", "create", "https://host/repo"];
  expect(await outcome(await startProgram(sessionctlProgram, args, { wrap }))).toMatchObject({
    code: 3,
    stderr: expect.stringContaining("is not UTF-8"),
  });
  expect(readdirSync(base)).toHaveLength(1);
});

test.each([
  ["sessionctl", sessionctlProgram],
  ["sessiond", sessiondProgram],
])("%s loads with few open files, or says that they are too few", async (name, script) => {
  const few = `${name}: this process may open too few files to start; allow more, such as: ulimit -n 1024\n`;
  const at = async (limit: number) => {
    const wrap = ["bash", "-c", `ulimit -n ${limit} && exec "$0" "$@"`];
    return outcome(await startProgram(script, ["--version"], { wrap, cwd: await tempDir() }));
  };
  expect(await at(21)).toEqual({ code: 1, stdout: "", stderr: few });
  for (const limit of [23, 25, 28]) {
    const { code, stderr } = await at(limit);
    expect([limit, code, stderr]).toEqual([
      limit,
      code,
      code === 1 ? few : expect.not.stringContaining("node:"),
    ]);
  }
  expect(await at(40)).toMatchObject({ code: 0, stdout: expect.stringContaining(name) });
});

test("a run that is process 1 says that its container needs an init", async () => {
  const at = await scene(["f"]);
  const args = ["a", "--files", "f", "--progress", "none", ...sh("true")];
  const wrap = ["unshare", "--pid", "--fork", "--mount-proc"];
  const options = { wrap, cwd: at.dir, env: { SESSIOND_SOCKET: at.daemon.socket } };
  const first = await outcome(await startProgram(sessionctlProgram, ["run", ...args], options));
  expect([first.code, first.stderr]).toEqual([0, expect.stringContaining("docker run --init")]);
  const other = await outcome(await at.startProcess("b", ...args.slice(1)));
  expect([other.code, other.stderr]).toEqual([0, expect.not.stringContaining("--init")]);
});
