import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { build } from "rolldown";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import { transform } from "../../rolldown.config.ts";
import { main } from "../../src/cli/main.ts";
import { startDaemonIn } from "../client/running-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface Outcome {
  /** Null if a signal ended the program. */
  code: number | null;
  stdout: string;
  stderr: string;
}

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
  const feed: CommandLine["feed"] = async (input, ...args) => {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
    stdin.end(input);
    const outputs = [text(stdout), text(stderr)] as const;
    const code = await main(["--socket", socketPath, ...args], { stdin, stdout, stderr });
    stdout.end();
    stderr.end();
    return { code, stdout: await outputs[0], stderr: await outputs[1] };
  };
  return { socketPath, directory, feed, run: (...args) => feed("", ...args) };
}

/** Bundles the program before the tests of a file; resolves with where it is from within them. */
export function bundledProgram(): () => string {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sessionctl-test-"));
    // Also for other users, as an installed program is.
    await chmod(directory, 0o755);
    await build({
      cwd: resolve(import.meta.dirname, "../.."),
      input: "src/cli/sessionctl.ts",
      platform: "node",
      transform,
      output: { file: join(directory, "sessionctl.mjs"), format: "esm" },
      logLevel: "silent",
    });
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));
  return () => join(directory, "sessionctl.mjs");
}

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
