/**
 * Daemons on demand in odd surroundings: old versions, several runs, false hints, no environment, full disks.
 */
import { cpSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { expect, onTestFinished } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { version } from "../../src/version.ts";
import { fill, smallDisk } from "../e2e/small-disk.ts";
import { type Program, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { daemonsBelow, kill, type Unprepared, unprepared } from "../support/set-up-nothing.ts";
import { testWithoutService as test } from "../support/system-service.ts";
import { tempDir } from "../support/temp-dir.ts";

const dist = resolve(import.meta.dirname, "../../dist");
const hold = ["sh", "-c", 'echo "$1" >> "$2"; until [ -e go ]; do sleep 0.02; done', "sh", "{}"];

/** A run of all files that holds until there is the file `go`, under way when this resolves. */
async function heldRun(at: Unprepared, id: string): Promise<Program> {
  const program = await at.start([
    ...["run", id, "--files", "*.js", "-j1", "--progress", "plain", "--", ...hold, `log.${id}`],
  ]);
  await eventually(() => expect(readdirSync(at.dir)).toContain(`log.${id}`));
  return program;
}

async function oneDaemon(at: Unprepared): Promise<number> {
  return eventually(() => {
    const daemons = at.daemons();
    expect(daemons).toHaveLength(1);
    return daemons[0] as number;
  });
}

/** The programs as an earlier version. */
async function olderPrograms(): Promise<string> {
  const older = join(await tempDir(), "dist");
  cpSync(dist, older, { recursive: true });
  let changed = 0;
  for (const name of readdirSync(older, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".js")) continue;
    const text = readFileSync(join(older, name), "utf8");
    const other = text.replaceAll(`version = "${version}"`, 'version = "0.0.9"');
    if (other !== text) changed++;
    writeFileSync(join(older, name), other);
  }
  expect(changed).toBeGreaterThan(0);
  return older;
}

test("a daemon of an older version is replaced when no run is attached, and until then it is said", async () => {
  const at = await unprepared();
  const older = join(await olderPrograms(), "sessionctl.js");
  const env = { HOME: at.home };
  const old = await startProgram(older, ["create", ".", "--id", "x"], { cwd: at.dir, env });
  expect(await old.exited).toMatchObject({ code: 0 });
  const first = await oneDaemon(at);
  const program = await startProgram(
    older,
    ["run", "lint", "--files", "*.js", "--progress", "none", "--", ...hold, "log"],
    { cwd: at.dir, env },
  );
  await eventually(() => expect(readdirSync(at.dir)).toContain("log"));
  const during = await at.ctl(["list", "-q"]);
  expect(during).toMatchObject({ code: 0, stdout: expect.stringContaining("lint") });
  expect((await at.ctl(["list"])).stderr).toContain("0.0.9");
  expect(await oneDaemon(at)).toBe(first);
  await writeFile(join(at.dir, "go"), "");
  expect(await program.exited).toMatchObject({ code: 0 });
  const after = await at.ctl(["status"]);
  expect(after).toMatchObject({ code: 0, stdout: expect.stringContaining(`sessiond ${version}`) });
  expect(await oneDaemon(at)).not.toBe(first);
  // An older client leaves a newer daemon as it is.
  const newer = await oneDaemon(at);
  expect((await startProgram(older, ["list"], { cwd: at.dir, env }).then(({ exited }) => exited)).code).toBe(
    0,
  );
  expect(await oneDaemon(at)).toBe(newer);
});

test("of several runs whose daemon is killed one starts it, each time, and each file is done once", async () => {
  const at = await unprepared(["a.js", "b.js"]);
  const ids = ["one", "two", "three"];
  const programs: Program[] = [];
  for (const id of ids) programs.push(await heldRun(at, id));
  for (let round = 0; round < 3; round++) {
    const before = await oneDaemon(at);
    kill(before);
    await eventually(async () => {
      expect(await oneDaemon(at)).not.toBe(before);
      const { stdout } = await at.ctl(["status", "--json", "--no-start"]);
      expect(JSON.parse(stdout).info.workers).toBe(3);
    });
  }
  await writeFile(join(at.dir, "go"), "");
  for (const [index, program] of programs.entries()) {
    expect(await program.exited).toMatchObject({ code: 0 });
    expect(program.stderr()).toContain("reconnected to sessiond");
    expect(readFileSync(join(at.dir, `log.${ids[index]}`), "utf8")).toBe("a.js\nb.js\n");
  }
});

test("what daemon.json says is not trusted: another store's daemon, a dead process, no JSON", async () => {
  const [at, other] = [await unprepared(), await unprepared()];
  await at.ctl(["create", ".", "--id", "mine"]);
  await other.ctl(["create", ".", "--id", "theirs"]);
  const [own, foreign] = [at, other].map(({ store }) => join(store, ".sessiond", "daemon.json")) as [
    string,
    string,
  ];
  const dead = readFileSync(own);
  for (const hint of [
    readFileSync(foreign),
    dead,
    Buffer.from("{"),
    Buffer.from('{"pid": 1, "socket": "/"}'),
  ]) {
    kill(await oneDaemon(at));
    await eventually(() => expect(at.daemons()).toEqual([]));
    writeFileSync(own, hint);
    expect(await at.ctl(["list", "-q"])).toMatchObject({ code: 0, stdout: "mine\n" });
  }
  expect((await other.ctl(["list", "-q"])).stdout).toBe("theirs\n");
});

test("neither HOME nor XDG_RUNTIME_DIR is needed, and a deep directory has a socket elsewhere", async () => {
  const at = await unprepared();
  const env = { HOME: undefined, XDG_RUNTIME_DIR: undefined };
  expect(await at.ctl(["create", ".", "--id", "x"], { env })).toMatchObject({ code: 0 });
  const deep = join(at.dir, "d".repeat(100), "e".repeat(100));
  await mkdir(deep, { recursive: true });
  // Without HOME, the search goes on above the repository only if there is none.
  await writeFile(join(deep, ".git"), "");
  expect(await at.ctl(["create", ".", "--id", "y"], { env, cwd: deep })).toMatchObject({ code: 0 });
  expect(await at.ctl(["list", "-q"], { env, cwd: deep })).toMatchObject({ code: 0, stdout: "y\n" });
  expect(at.daemons()).toHaveLength(2);
});

test("the home, a place that takes no directory, and --socket beside --store are refused in words", async () => {
  const at = await unprepared();
  const refusals = [
    await at.ctl(["run", "x", "--files", "*", "--", "true"], { cwd: at.home }),
    await at.ctl(["create", "."], { cwd: "/proc/self" }),
    await at.ctl(["--socket", "/s", "--store", "/t", "list"]),
    await at.ctl(["--store", "nowhere", "list"]),
  ];
  expect(refusals.map(({ code }) => code)).toEqual([3, expect.any(Number), 2, 3]);
  for (const { stderr } of refusals) {
    expect(stderr).toMatch(/--store/);
    expect(stderr).not.toMatch(/bug/);
  }
  expect(refusals[1]?.code).not.toBe(0);
  await mkdir(join(at.home, ".sessions"));
  expect(await at.ctl(["--store", ".sessions", "list", "-q"], { cwd: at.home })).toMatchObject({ code: 0 });
});

test("the daemon of a run inside a run outlives the outer run, and holds none of its descriptors", async () => {
  const at = await unprepared(["a.js"]);
  const inner = `${process.execPath} ${dist}/sessionctl.js --store ${at.base}/inner create . --id x`;
  const outer = [
    "run",
    "--files",
    "*.js",
    "--progress",
    "none",
    "--shell",
    "--",
    `exec 9>lock; ${inner} && : {}`,
  ];
  expect(await at.ctl(outer)).toMatchObject({ code: 0 });
  const daemons = await eventually(() => {
    expect(at.daemons()).toHaveLength(2);
    return at.daemons();
  });
  for (const pid of daemons) {
    const held = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
    expect(held).not.toContain(join(at.dir, "lock"));
  }
  // The guard of the outer run ends what carries its mark when that run is gone.
  expect(await at.ctl(["--store", `${at.base}/inner`, "--no-start", "list", "-q"])).toMatchObject({
    code: 0,
    stdout: "x\n",
  });
});

test("commands that start at once use one daemon", async () => {
  const at = await unprepared();
  const names = ["one", "two", "three"];
  const ended = await Promise.all(
    names.map((id) => at.ctl(["run", id, "--files", "*.js", "--progress", "none", "--", "true"])),
  );
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(ended.map(({ stderr }) => [0, stderr]));
  expect(at.daemons()).toHaveLength(1);
  expect((await at.ctl(["list", "-q"])).stdout.trim().split("\n").sort()).toEqual([...names].sort());
});

test("from below, the nearest store is used and named; a named store wins", async () => {
  const at = await unprepared(["sub/a.js"]);
  const below = { cwd: join(at.dir, "sub") };
  await at.ctl(["run", "lint", "--files", "**/*.js", "--", "true"]);
  const found = await at.ctl(["list", "-q"], below);
  expect(found).toMatchObject({ code: 0, stdout: "lint\n" });
  expect((await at.ctl(["list"], below)).stderr).toContain(`using the store ${at.store}`);
  const named = await at.ctl(["--store", "mine", "create", ".", "--id", "x"], below);
  expect(named).toMatchObject({ code: 0, stdout: "x\n" });
  expect((await at.ctl(["--store", "sub/mine", "list", "-q"])).stdout).toBe("x\n");
});

test("list says what cleanup would remove, because cleanup is off in such a store", async () => {
  const at = await unprepared();
  await at.ctl(["create", ".", "--id", "first"]);
  expect((await at.ctl(["list"])).stderr).toBe("");
  const client = new SessionClient({ socketPath: join(at.store, ".sessiond", "sessiond.sock") });
  onTestFinished(() => client.close());
  for (let count = 0; count < 12; count++) {
    const { session_id } = await client.createSession({ config: { target_path: "/" } });
    await client.completeSession(session_id);
  }
  expect((await at.ctl(["list"])).stderr).toBe(
    "cleanup is off here; it would remove 2 sessions as completed; " +
      "to see them: sessionctl cleanup completed --dry-run\n",
  );
  expect((await at.ctl(["list", "-q"])).stderr).toBe("");
});

test("a program with the library starts the daemon of a store that exists, and makes none", async () => {
  const at = await unprepared();
  const program = join(at.dir, "program.mjs");
  await writeFile(
    program,
    `import { SessionManager } from ${JSON.stringify(join(dist, "index.js"))};
    const manager = SessionManager.connect();
    await manager.createSession("src", { session_id: "x" }).then(() => console.log("made"), (error) => console.log(error.reason));
    await manager.close();`,
  );
  const run = async () => {
    const started = await startProgram(program, [], { cwd: at.dir, env: { HOME: at.home } });
    await started.exited;
    return started.stdout();
  };
  expect(await run()).toBe("missing\n");
  await mkdir(at.store, { mode: 0o700 });
  expect(await run()).toBe("made\n");
  expect((await at.ctl(["--no-start", "list", "-q"])).stdout).toBe("x\n");
});

test("on a full disk no half-made store is left, and a run waits for room to start its daemon again", async () => {
  const at = await unprepared();
  const cwd = await smallDisk();
  onTestFinished(() => {
    for (const pid of daemonsBelow(cwd)) kill(pid);
  });
  const big = join(cwd, "big");
  fill(big);
  const refused = await at.ctl(["create", "."], { cwd });
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("no space left") });
  expect(readdirSync(cwd)).toEqual(["big"]);
  await rm(big);
  for (const name of ["a.js", "b.js"]) await writeFile(join(cwd, name), "");
  const command = ["run", "x", "--files", "*.js", "-j1", "--progress", "plain", "--", ...hold, "log"];
  const program = await at.start(command, { cwd });
  await eventually(() => expect(readdirSync(cwd)).toContain("log"));
  fill(big);
  for (const pid of daemonsBelow(cwd)) kill(pid);
  await eventually(() => expect(program.stderr()).toContain("reconnecting"));
  await rm(big);
  writeFileSync(join(cwd, "go"), "");
  expect(await program.exited).toMatchObject({ code: 0 });
  expect(program.stderr()).toContain("2 files done");
});

test("a mistake in the user's settings is told with its place, and the exit code is 78", async () => {
  const at = await unprepared();
  const file = join(at.home, ".config", "sessiond", "sessiond.yaml");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "trash: { retention: 7m }\nodd: 1\n");
  const refused = await at.ctl(["create", "."]);
  expect(refused).toMatchObject({ code: 78, stdout: "" });
  const lines = refused.stderr.split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/sessiond\.yaml:1:21: .*7min/),
      expect.stringMatching(/sessiond\.yaml:2:1: odd/),
    ]),
  );
  expect(await at.ctl(["doctor"])).toMatchObject({ code: 1, stdout: expect.stringContaining("odd") });
  expect(at.daemons()).toEqual([]);
});

test("a command right after a daemon was told to end waits for it, and starts another", async () => {
  const at = await unprepared();
  await at.ctl(["create", ".", "--id", "x"]);
  for (let round = 0; round < 3; round++) {
    process.kill(await oneDaemon(at), "SIGTERM");
    expect(await at.ctl(["list", "-q"])).toEqual({ code: 0, stdout: "x\n", stderr: "" });
    await oneDaemon(at);
  }
});

test("a store whose state cannot be written is refused in words, not with an advice that fails too", async () => {
  const at = await unprepared();
  await at.ctl(["create", ".", "--id", "x"]);
  await at.ctl(["stop"]);
  const lock = join(at.store, ".sessiond", "lock");
  await rm(lock);
  await mkdir(lock);
  const refused = await at.ctl(["list"]);
  expect(refused).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`the store ${at.store}: ${lock} is`),
  });
  expect(refused.stderr).not.toContain("sessionctl status");
});

test("a directory that is renamed takes its store along", async () => {
  const at = await unprepared();
  await at.ctl(["create", ".", "--id", "x"]);
  const first = await oneDaemon(at);
  const cwd = join(at.base, "renamed");
  await rename(at.dir, cwd);
  expect(await at.ctl(["list", "-q"], { cwd })).toEqual({ code: 0, stdout: "x\n", stderr: "" });
  expect(await oneDaemon(at)).not.toBe(first);
});

/** Where a link of /proc leads; empty if it is gone meanwhile. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
