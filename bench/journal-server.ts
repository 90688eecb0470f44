/** Starts the server of the peer "bare lines and journal". */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { endProcess, type Scope } from "./scope.ts";

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const program = resolve(import.meta.dirname, "../bench/bench.js");

/** The benchmark starts its own program with this argument, a directory and a socket. */
export const journalServerArgument = "journal-server";

export async function startJournalServer(
  scope: Scope,
  directory: string,
  { wrap = [] }: { wrap?: readonly string[] } = {},
): Promise<{ pid: number; socket: string }> {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, "journal.sock");
  const [command = process.execPath, ...before] = [...wrap, process.execPath];
  const child = fork(program, [journalServerArgument, directory, socket], {
    execPath: command,
    execArgv: before,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  scope.defer(() => endProcess(child));
  await once(child, "message");
  return { pid: child.pid as number, socket };
}
