/**
 * `sessionctl run` over real files and real commands: in the process of the test, or as a process of its own.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { JsonObject } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";
import { scene as daemonScene, type Wire, wireTo } from "../client/worker/fixture.ts";
import { type Program, startProgram } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { type Outcome, type RunningCommand, startCommand } from "./in-process.ts";

const sessionctl = resolve(import.meta.dirname, "../../dist/sessionctl.js");

/** What a scene needs of its daemon, which is in this process or in one of its own. */
export interface SceneDaemon {
  readonly client: SessionClient;
  readonly socket: string;
  readonly sessionsDir: string;
}

export interface Scene<Daemon extends SceneDaemon = SceneDaemon> {
  daemon: Daemon;
  /** Where the files are, and the commands run. */
  dir: string;
  /** Starts `sessionctl run` with these arguments, in this process. */
  start(...args: string[]): RunningCommand;
  /** Runs it to its end. */
  run(...args: string[]): Promise<Outcome>;
  /** Runs any command of sessionctl. */
  ctl(...args: string[]): Promise<Outcome>;
  /** Starts `sessionctl run` as a process of its own. */
  startProcess(...args: string[]): Promise<Program>;
  /** The same, with this of the shell after its command line. */
  redirected(redirection: string, ...args: string[]): Promise<Program>;
  session(id?: string): Promise<Session>;
  /** The lines of a file that commands write to. */
  lines(file: string): string[];
}

/** A daemon in this process, and a directory with these files, each with its name in it. */
export async function scene(
  files: readonly string[],
  config = "worker: { reattach_grace: 300ms }",
): Promise<Scene> {
  const { client, socketPath, directory } = await daemonScene(config);
  return sceneWith({ client, socket: socketPath, sessionsDir: directory }, files);
}

/** The same, with a wire between the runs and the daemon, which the test can cut. */
export async function sceneOnWire(files: readonly string[]): Promise<Scene<SceneDaemon> & { wire: Wire }> {
  const { client, socketPath, directory } = await daemonScene("worker: { reattach_grace: 300ms }");
  const wire = await wireTo(socketPath);
  const { socketPath: socket } = wire.client;
  return { ...(await sceneWith({ client, socket, sessionsDir: directory }, files)), wire };
}

export async function sceneWith<Daemon extends SceneDaemon>(
  daemon: Daemon,
  files: readonly string[],
): Promise<Scene<Daemon>> {
  const cwd = await tempDir();
  for (const file of files) {
    await mkdir(dirname(join(cwd, file)), { recursive: true });
    await writeFile(join(cwd, file), file);
  }
  const options = { cwd, env: { SESSIOND_SOCKET: daemon.socket } };
  const start = (...args: string[]) =>
    startCommand(args, { cwd, env: { ...process.env, SESSIOND_SOCKET: daemon.socket } });
  return {
    daemon,
    dir: cwd,
    start: (...args) => start("run", ...args),
    run: (...args) => start("run", ...args).ended,
    ctl: (...args) => start(...args).ended,
    startProcess: (...args) => startProgram(sessionctl, ["run", ...args], options),
    redirected: (redirection, ...args) =>
      startProgram(sessionctl, ["run", ...args], {
        ...options,
        wrap: ["bash", "-c", `"$0" "$@" ${redirection}; exit "\${PIPESTATUS[0]}"`],
      }),
    session: (id = "a") => daemon.client.getSession(id),
    lines(file) {
      const path = join(cwd, file);
      return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
    },
  };
}

export async function outcome(program: Program): Promise<Outcome> {
  const { code } = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

export function names(count: number): string[] {
  return Array.from({ length: count }, (_, at) => `f${at}`);
}

/** Makes the file `go`, for which the commands of a run may hold on. */
export function letGo({ dir }: Pick<Scene, "dir">): void {
  writeFileSync(join(dir, "go"), "");
}

/** A shell command that is given the file as `$1`. */
export function sh(script: string): string[] {
  return ["--", "sh", "-c", script, "sh", "{}"];
}

export function resultOf(session: Session, file: string): JsonObject {
  return session.partial_results[file] as JsonObject;
}

export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
}

/** The processes that guard the runs of this test. */
export function guardsOf({ daemon }: Scene): number[] {
  const read = (pid: string, name: string) => readFileSync(`/proc/${pid}/${name}`, "latin1");
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return read(pid, "cmdline").includes("\0run-guard\0") && read(pid, "environ").includes(daemon.socket);
      } catch {
        return false;
      }
    })
    .map(Number)
    .filter(isAlive);
}
