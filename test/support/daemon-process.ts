/** Runs the bundled program `sessiond` as the process that it is. `npm run bundle` makes it first. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { eventually } from "./eventually.ts";
import { tempDir } from "./temp-dir.ts";

export const sessiondProgram = resolve(import.meta.dirname, "../../dist/sessiond.js");

/** Of the code and the signal of a process that ended, one is null. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
  /** Does nothing when the process has ended. */
  kill(signal: NodeJS.Signals): void;
}

export interface ProgramOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** A command that ends in running its own arguments in its place, such as `["nice"]`. */
  wrap?: readonly string[];
  /** Descriptors that it gets as its own, from 3 on. */
  descriptors?: readonly number[];
}

/** What this machine's own setup says of sessiond must not reach the tests. */
const ambient = ["SESSIOND_CONFIG", "SESSIOND_SOCKET", "XDG_RUNTIME_DIR", "NODE_OPTIONS", "NOTIFY_SOCKET"];

/** Starts a program of Node.js. It is killed when the test ends, which waits until it is gone. */
export async function startProgram(
  script: string,
  args: readonly string[],
  { cwd, env = {}, wrap = [], descriptors = [] }: ProgramOptions = {},
): Promise<Program> {
  const [command, ...rest] = [...wrap, process.execPath, script, ...args] as [string, ...string[]];
  const inherited = Object.entries(process.env).filter(([name]) => !ambient.includes(name));
  const child = spawn(command, rest, {
    cwd,
    env: { ...Object.fromEntries(inherited), ...env },
    stdio: ["ignore", "pipe", "pipe", ...descriptors],
  });
  const exited = exitOf(child);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => collect(stream as Readable)) as [
    () => string,
    () => string,
  ];
  await once(child, "spawn");
  return { pid: child.pid as number, exited, stdout, stderr, kill: (signal) => void child.kill(signal) };
}

export interface DaemonOptions extends ProgramOptions {
  /** The sessions directory; a new one by default. */
  dir?: string;
  /** Further flags, which win over those for the directory and the socket. */
  args?: readonly string[];
  /** The text of a configuration file. */
  config?: string;
  /** The section `storage` where sessions are in PostgreSQL: then there is no sessions directory. */
  storage?: { readonly postgres: string; readonly [key: string]: string };
}

export interface DaemonProcess extends Program {
  readonly client: SessionClient;
  readonly socket: string;
  readonly sessionsDir: string;
  /** The file that holds `config`. */
  readonly configFile: string;
  /** Ends this process gracefully if it still runs, and starts another with the same options. */
  restart(): Promise<DaemonProcess>;
}

/** Resolves when the daemon answers. @throws with what it wrote to standard error if it ends instead */
export async function startDaemon(options: DaemonOptions = {}): Promise<DaemonProcess> {
  return start(await placeFor(options), options);
}

/** Starts a daemon without waiting for it, such as one that is to fail. */
export async function launchDaemon(options: DaemonOptions = {}): Promise<Program & Place> {
  const place = await placeFor(options);
  return { ...place, ...(await startProgram(sessiondProgram, place.args, options)) };
}

interface Place {
  sessionsDir: string;
  socket: string;
  configFile: string;
  args: readonly string[];
}

async function placeFor({ dir, args = [], config, storage }: DaemonOptions): Promise<Place> {
  const base = await tempDir();
  const sessionsDir = dir ?? join(base, "sessions");
  const configFile = join(base, "sessiond.yaml");
  const text = storage === undefined ? config : `storage: ${JSON.stringify(storage)}\n${config ?? ""}`;
  if (text !== undefined) await writeFile(configFile, text);
  const all = [
    ...(storage === undefined ? ["--sessions-dir", sessionsDir] : []),
    ...["--socket", join(base, "s.sock")],
    ...(text === undefined ? [] : ["--config", configFile]),
    ...args,
  ];
  return { sessionsDir, configFile, args: all, socket: all[all.lastIndexOf("--socket") + 1] as string };
}

async function start(place: Place, options: DaemonOptions): Promise<DaemonProcess> {
  const { socket, sessionsDir, configFile, args } = place;
  const client = new SessionClient({ socketPath: socket });
  onTestFinished(() => client.close());
  const program = await startProgram(sessiondProgram, args, options);
  let ended: Exit | undefined;
  void program.exited.then((exit) => {
    ended = exit;
  });
  await eventually(async () => {
    if (ended !== undefined) return;
    const { pid } = await client.getInfo();
    if (pid !== program.pid) throw new Error(`process ${pid} answers, not ${program.pid}`);
  });
  if (ended !== undefined) throw new Error(`sessiond ended: ${JSON.stringify(ended)}\n${program.stderr()}`);
  return {
    ...program,
    client,
    socket,
    sessionsDir,
    configFile,
    async restart() {
      program.kill("SIGTERM");
      await program.exited;
      return start(place, options);
    },
  };
}

async function exitOf(child: ChildProcess): Promise<Exit> {
  // Only at "close" has everything been read that the program wrote.
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
