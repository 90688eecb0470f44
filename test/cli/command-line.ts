/**
 * sessionctl before a daemon, in the process of the test, and the bundled program as a process of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished } from "vitest";
import { startDaemonIn } from "../client/running-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { type Outcome, startCommand } from "./in-process.ts";

export const sessionctlProgram = resolve(import.meta.dirname, "../../dist/sessionctl.js");

export interface CommandLine {
  socketPath: string;
  directory: string;
  /** Runs a command in this process, without a terminal. */
  run(...args: string[]): Promise<Outcome>;
  /** Runs a command that reads this from its standard input. */
  feed(stdin: string | Buffer, ...args: string[]): Promise<Outcome>;
}

/** A daemon in a directory of its own, and command lines that reach it. */
export async function commandLine(configFile?: string): Promise<CommandLine> {
  const directory = await tempDir();
  const { socketPath } = await startDaemonIn(directory, configFile);
  const feed: CommandLine["feed"] = (stdin, ...args) =>
    startCommand(args, { stdin, env: { ...process.env, SESSIOND_SOCKET: socketPath } }).ended;
  return { socketPath, directory, feed, run: (...args) => feed("", ...args) };
}

/** The same, with sessions of these ids and three pending files each. */
export async function withSessions(...ids: string[]): Promise<CommandLine> {
  const cli = await commandLine();
  for (const id of ids) await cli.feed("a\nb\nc\n", "create", "src", "--id", id, "--files-from", "-");
  return cli;
}

/** What a command that succeeds is expected to print. */
export const ok = (stdout: unknown = "", stderr: unknown = expect.any(String)) => ({
  code: 0,
  stdout,
  stderr,
});

/** Starts a program, which is killed when the test ends. */
export function start(
  command: string,
  args: readonly string[],
  options: { uid?: number } = {},
): ChildProcess {
  const child = spawn(command, args, { ...options, cwd: "/", env: { PATH: process.env.PATH } });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

export async function outcome(child: ChildProcess): Promise<Outcome> {
  const streams = [child.stdout, child.stderr] as [NodeJS.ReadableStream, NodeJS.ReadableStream];
  const outputs = streams.map((stream) => text(stream));
  const [code] = (await once(child, "close")) as [number | null];
  const [stdout, stderr] = (await Promise.all(outputs)) as [string, string];
  return { code, stdout, stderr };
}
