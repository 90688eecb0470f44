/**
 * A daemon on demand as a process: what it says of its start, whom it leaves the store to, and how it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { type DaemonFile, readDaemonFile, writeDaemonFile } from "../../src/personal/daemon-file.ts";
import { parseStartReport, type StartReport } from "../../src/personal/start-report.ts";
import { type Program, sessiondProgram, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const config = { target_path: "/src" };

async function newStore(mode = 0o700, base?: string): Promise<string> {
  const store = join(base ?? (await tempDir()), ".sessions");
  mkdirSync(store);
  chmodSync(store, mode);
  return store;
}

interface Start {
  idle?: string;
  env?: NodeJS.ProcessEnv;
  args?: readonly string[];
}

/** The environment of a user without settings of their own. */
async function start(store: string, { idle = "1h", env = {}, args = [] }: Start = {}): Promise<Program> {
  const flags = ["--on-demand", "--sessions-dir", store, "--idle-exit", idle, ...args];
  return startProgram(sessiondProgram, flags, { env: { XDG_CONFIG_HOME: join(store, "none"), ...env } });
}

/** What the daemon says of its start: one line, and no other. */
async function reportOf(program: Program): Promise<StartReport> {
  const line = await eventually(() => {
    expect(program.stdout()).toMatch(/\n$/);
    return program.stdout();
  });
  const report = parseStartReport(line);
  if (report === undefined) throw new Error(line);
  return report;
}

async function serving(store: string, options?: Start) {
  const program = await start(store, options);
  const report = await reportOf(program);
  if (report.state !== "serving") throw new Error(JSON.stringify(report));
  const client = new SessionClient({ socketPath: report.socket });
  onTestFinished(() => client.close());
  return { ...program, client, socket: report.socket };
}

async function failure(store: string, options?: Start) {
  const program = await start(store, options);
  const report = await reportOf(program);
  if (report.state !== "failed") throw new Error(JSON.stringify(report));
  expect(await program.exited).toEqual({ code: report.exit_status, signal: null });
  expect(program.stderr()).toContain(report.message.split("\n")[0]);
  return report;
}

test("it serves its store, and ends when nobody has used it for a while, without a trace", async () => {
  const store = await newStore();
  const { client, socket, pid, exited, stdout } = await serving(store, { idle: "3s" });
  expect(socket).toBe(join(store, ".sessiond", "sessiond.sock"));
  const { on_demand, started_time, version } = await client.getInfo();
  expect(on_demand).toEqual({ idle_exit_ms: 3000 });
  const note = { pid, version, socket, started_time, on_demand: true, stopped_time: null };
  expect(readDaemonFile(store)).toEqual(note);
  const { jobs } = await client.getCleanup();
  expect(jobs.filter(({ enabled }) => enabled).map(({ job, rule }) => `${job}: ${rule}`)).toEqual([
    "trash: permanently delete sessions that have been in the trash for 30d",
  ]);
  await client.createSession({ session_id: "s", config });
  client.close();
  const used = performance.now();
  expect(await exited).toEqual({ code: 0, signal: null });
  expect(performance.now() - used).toBeGreaterThan(2900);
  expect(existsSync(socket)).toBe(false);
  expect(readDaemonFile(store)).toBeUndefined();
  expect(stdout().split("\n")).toHaveLength(2);
  const log = readFileSync(join(store, ".sessiond", "sessiond.log"), "utf8");
  expect(log).toContain("sessiond is starting on demand");
  expect(log).toContain("nobody has used this daemon for a while");
  expect(readdirSync(store).sort()).toEqual([".sessiond", "s.json"]);
});

test("of several that start at once one serves, and the others say who does", async () => {
  const store = await newStore();
  const programs = await Promise.all(Array.from({ length: 3 }, () => start(store)));
  const reports = await Promise.all(programs.map(reportOf));
  const [winner, ...more] = reports.filter(({ state }) => state === "serving");
  expect(more).toEqual([]);
  const others = programs.filter((_, at) => reports[at]?.state === "served");
  expect(others).toHaveLength(2);
  for (const other of others) expect(await other.exited).toEqual({ code: 0, signal: null });
  const socket = join(store, ".sessiond", "sessiond.sock");
  for (const report of reports)
    expect(report).toMatchObject({ socket, pid: (winner as { pid: number }).pid });
});

test("while another process holds the lock it waits, and serves when the lock is free", async () => {
  const store = await newStore();
  const holder = await lockHolder(store);
  const { env, untilTried } = await watchedFlock();
  const program = await start(store, { env });
  await untilTried(3);
  expect(program.stdout()).toBe("");
  holder.kill("SIGKILL");
  expect(await reportOf(program)).toMatchObject({ state: "serving", pid: program.pid });
});

async function lockHolder(store: string): Promise<ChildProcess> {
  const holder = spawn("flock", ["--no-fork", store, "sh", "-c", "echo held; exec sleep 60"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void holder.kill("SIGKILL"));
  await once(holder.stdout as Readable, "data");
  return holder;
}

/** An environment whose flock(1) notes each call, and a wait for so many calls. */
async function watchedFlock() {
  const dir = await tempDir();
  const tries = join(dir, "tries");
  writeFileSync(tries, "");
  const path = process.env.PATH as string;
  const script = `#!/bin/sh\necho >> '${tries}'\nPATH='${path}' exec flock "$@"\n`;
  writeFileSync(join(dir, "flock"), script, { mode: 0o755 });
  return {
    env: { PATH: `${dir}:${path}` },
    untilTried: (times: number) =>
      eventually(() => expect(readFileSync(tries, "utf8").length).toBeGreaterThanOrEqual(times)),
  };
}

test("in a copy of a store, the daemon of the original does not count", async () => {
  const [original, copy] = [await newStore(), await newStore()];
  await serving(original);
  mkdirSync(join(copy, ".sessiond"));
  writeDaemonFile(copy, readDaemonFile(original) as DaemonFile);
  const holder = await lockHolder(copy);
  const { env, untilTried } = await watchedFlock();
  const program = await start(copy, { env });
  // After each try that fails, it asks for the daemon of the store.
  await untilTried(3);
  expect(program.stdout()).toBe("");
  holder.kill("SIGKILL");
  expect(await reportOf(program)).toMatchObject({ state: "serving", pid: program.pid });
});

test("a stop that somebody asked for is written down, and a kill is not", async () => {
  const store = await newStore();
  const killed = await serving(store);
  killed.kill("SIGKILL");
  await killed.exited;
  expect(readDaemonFile(store)).toMatchObject({ pid: killed.pid, stopped_time: null });

  const ended = await serving(store);
  expect(readDaemonFile(store)).toMatchObject({ pid: ended.pid, stopped_time: null });
  ended.kill("SIGTERM");
  expect(await ended.exited).toEqual({ code: 0, signal: null });
  expect(readDaemonFile(store)).toMatchObject({ pid: ended.pid, stopped_time: expect.any(String) });

  const asked = await serving(store);
  expect(await asked.client.stopDaemon()).toEqual({ pid: asked.pid, ends: [] });
  expect(await asked.exited).toEqual({ code: 0, signal: null });
  expect(readDaemonFile(store)).toMatchObject({ pid: asked.pid, stopped_time: expect.any(String) });
  expect(existsSync(asked.socket)).toBe(false);
});

test("where the path of the store is too long, the socket is in a directory of the user's own", async () => {
  const base = join(await tempDir(), "d".repeat(100));
  mkdirSync(base);
  const store = await newStore(0o700, base);
  const runtime = await tempDir();
  const { client, socket, exited, kill } = await serving(store, { env: { XDG_RUNTIME_DIR: runtime } });
  expect(dirname(socket)).toBe(join(runtime, "sessiond"));
  expect((await client.getInfo()).store.location).toBe(store);
  kill("SIGTERM");
  await exited;
  expect(readdirSync(join(runtime, "sessiond"))).toEqual([]);
});

test("it starts for no directory that others may write, or that is not there", async () => {
  const open = await newStore(0o775);
  expect(await failure(open)).toMatchObject({
    code: "invalid_request",
    message: `no daemon is started on demand for ${open}: it may be written by its group; to use it: chmod go-w ${open}`,
    exit_status: 78,
  });
  const missing = join(open, "none");
  expect((await failure(missing)).message).toContain(`${missing}: it does not exist`);
  expect(existsSync(missing)).toBe(false);
});

test("settings with a path or a mistake are refused with their place, and reach the client", async () => {
  const store = await newStore();
  const home = await tempDir();
  mkdirSync(join(home, ".config", "sessiond"), { recursive: true });
  const file = join(home, ".config", "sessiond", "sessiond.yaml");
  writeFileSync(file, "log: { level: loud }\nsessions_dir: /srv\nsocket:\n  path: /run/s.sock\n");
  const { code, message, exit_status } = await failure(store, { env: { XDG_CONFIG_HOME: "", HOME: home } });
  expect([code, exit_status]).toEqual(["invalid_request", 78]);
  const [level, directory, socket, ...more] = message.split("\n");
  expect(level).toContain(`${file}:1:15: log.level: `);
  expect(directory).toContain(`${file}:2:1: sessions_dir: does not belong here`);
  expect(socket).toContain(`${file}:3:1: socket: does not belong here`);
  expect(more).toEqual([]);
});

test("a store of a later version is left alone", async () => {
  const store = await newStore();
  mkdirSync(join(store, ".sessiond"));
  writeFileSync(join(store, ".sessiond", "format.json"), '{"format":999,"written_by":"sessiond 99.0.0"}');
  expect(await failure(store)).toMatchObject({ code: "directory_too_new", exit_status: 78 });
  expect(readdirSync(join(store, ".sessiond"))).toEqual(["format.json"]);
});
