/** Starts and stops the built daemon as a separate process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionClient } from "../src/client/session-client.ts";
import { benchDirectory } from "./peers/packages.ts";
import { longestStall, type Probed } from "./process-facts.ts";
import { endProcess, type Scope } from "./scope.ts";

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const program = resolve(import.meta.dirname, "../sessiond.js");
const probe = resolve(benchDirectory, "stall-probe.mjs");

export interface Daemon extends Probed {
  readonly client: SessionClient;
  readonly socket: string;
  readonly directory: string;
  /** The time from the spawn to the first answer. */
  readonly readyMs: number;
  longestStall(): Promise<number>;
  /** Resolves when the process has ended. */
  stop(): Promise<void>;
}

/**
 * With `postgres`, the URL of a database, sessions are there, and `directory` only names the socket.
 *
 * @throws if the daemon ends instead of answering
 */
export async function startDaemon(
  scope: Scope,
  directory: string,
  { wrap = [], postgres }: { wrap?: readonly string[]; postgres?: string } = {},
): Promise<Daemon> {
  const socket = `${directory}.sock`;
  const stallFile = `${directory}.stall`;
  const [command, ...args] = [
    ...wrap,
    ...[process.execPath, "--import", probe, program],
    ...(postgres === undefined
      ? ["--sessions-dir", directory]
      : ["--config", configFor(directory, postgres)]),
    ...["--socket", socket, "--log-level", "error"],
  ] as [string, ...string[]];
  const begun = performance.now();
  const child = spawn(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "", SESSIOND_CONFIG: "", STALL_FILE: stallFile },
  });
  scope.defer(() => endProcess(child));
  await once(child, "spawn");
  await firstAnswer(child, socket);
  const readyMs = performance.now() - begun;
  const probed = { pid: child.pid as number, stallFile };
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  return {
    ...probed,
    client,
    socket,
    directory,
    readyMs,
    longestStall: () => longestStall(probed),
    async stop() {
      client.close();
      await endProcess(child);
    },
  };
}

function configFor(directory: string, postgres: string): string {
  const path = `${directory}.yaml`;
  writeFileSync(path, `storage: ${JSON.stringify({ postgres })}\n`);
  return path;
}

async function firstAnswer(child: ChildProcess, socket: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
    if (await answers(socket)) return;
    await sleep(1);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once("connect", () => socket.write("GET /v1/stats HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("data", (bytes) => {
      resolve(bytes.toString("latin1").startsWith("HTTP/1.1 200 "));
      socket.destroy();
    });
  });
}

/** Creates the sessions directory of a daemon. Its socket and its stall file are beside it. */
export function sessionsDirectory(root: string, name: string): string {
  return join(root, name);
}
