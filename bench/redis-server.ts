/** Starts a separate Redis server that syncs before it answers, on a socket in the directory of this run. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { endProcess, type Scope } from "./scope.ts";

/** Background rewrites of the file are off, as they would only slow Redis down. */
export const redisOptions = {
  port: "0",
  appendonly: "yes",
  appendfsync: "always",
  save: "",
  "auto-aof-rewrite-percentage": "0",
};

export interface RedisServer {
  readonly pid: number;
  readonly socket: string;
}

/** @throws if the server ends instead of listening */
export async function startRedis(
  scope: Scope,
  directory: string,
  { wrap = [] }: { wrap?: readonly string[] } = {},
): Promise<RedisServer> {
  mkdirSync(directory, { recursive: true });
  const socket = join(directory, "redis.sock");
  const options = { ...redisOptions, unixsocket: socket, dir: directory, loglevel: "warning" };
  const flags = Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]);
  const [command, ...args] = [...wrap, "redis-server", ...flags] as [string, ...string[]];
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  scope.defer(() => endProcess(child));
  await once(child, "spawn");
  while (!existsSync(socket)) {
    if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`);
    await sleep(5);
  }
  return { pid: child.pid as number, socket };
}
