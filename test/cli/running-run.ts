/** `sessionctl run` as the process that it is, over real files, a real daemon and real commands. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { JsonObject } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";
import {
  type DaemonOptions,
  type DaemonProcess,
  type Program,
  startDaemon,
  startProgram,
} from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

const sessionctl = resolve(import.meta.dirname, "../../dist/sessionctl.js");

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Scene {
  daemon: DaemonProcess;
  /** Where the files are, and the commands run. */
  dir: string;
  /** Starts `sessionctl run` with these arguments. */
  start(...args: string[]): Promise<Program>;
  /** The same, with its output going into a command of the shell. */
  pipe(reader: string, ...args: string[]): Promise<Program>;
  /** The same, with this after its command line. */
  redirected(redirection: string, ...args: string[]): Promise<Program>;
  /** Runs it to its end. */
  run(...args: string[]): Promise<Outcome>;
  /** Runs any command of sessionctl. */
  ctl(...args: string[]): Promise<Outcome>;
  session(id?: string): Promise<Session>;
  /** The lines of a file that commands write to. */
  lines(file: string): string[];
}

/** A daemon, and a directory with these files, each with its name in it. */
export async function scene(files: readonly string[], options: DaemonOptions = {}): Promise<Scene> {
  const dir = await tempDir();
  for (const file of files) {
    await mkdir(dirname(join(dir, file)), { recursive: true });
    await writeFile(join(dir, file), file);
  }
  const daemon = await startDaemon({ config: "worker: { reattach_grace: 300ms }", ...options });
  const env = { SESSIOND_SOCKET: daemon.socket };
  const start = (...args: string[]) => startProgram(sessionctl, ["run", ...args], { cwd: dir, env });
  return {
    daemon,
    dir,
    start,
    pipe: (reader, ...args) =>
      startProgram(sessionctl, ["run", ...args], {
        cwd: dir,
        env,
        wrap: ["bash", "-c", `"$0" "$@" | ${reader}; exit "\${PIPESTATUS[0]}"`],
      }),
    redirected: (redirection, ...args) =>
      startProgram(sessionctl, ["run", ...args], {
        cwd: dir,
        env,
        wrap: ["bash", "-c", `"$0" "$@" ${redirection}; exit "\${PIPESTATUS[0]}"`],
      }),
    run: async (...args) => outcome(await start(...args)),
    ctl: async (...args) => outcome(await startProgram(sessionctl, args, { cwd: dir, env })),
    session: (id = "a") => daemon.client.getSession(id),
    lines(file) {
      const path = join(dir, file);
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
