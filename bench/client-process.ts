/** Starts the client process of a peer, and sends it requests. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import type { PeerName } from "./peers/all.ts";
import type { PeerSettings } from "./peers/peer.ts";
import type { RunRequest, RunResult } from "./run.ts";
import { endProcess, type Scope } from "./scope.ts";
import { workersArgument } from "./workers.ts";

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const program = resolve(import.meta.dirname, "../bench/bench.js");

export interface ClientProcess {
  readonly name: PeerName;
  readonly variant: string;
  readonly pid: number;
  run(request: RunRequest): Promise<RunResult>;
  /** Opens the sessions of a request that has a prefix, and resolves to what runs it. */
  open(request: RunRequest): Promise<() => Promise<RunResult>>;
  close(): Promise<void>;
}

/** @throws with the reason if the peer cannot be used on this machine */
export async function startClient(
  scope: Scope,
  name: PeerName,
  settings: PeerSettings,
  wrap: readonly string[] = [],
): Promise<ClientProcess> {
  const [command = process.execPath, ...before] = [...wrap, process.execPath];
  const child = fork(program, [workersArgument, name, JSON.stringify(settings)], {
    execPath: command,
    execArgv: before,
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  scope.defer(() => endProcess(child));
  await answer(child, name);
  const result = async () => {
    const reply = (await answer(child, name)) as { result: RunResult } | { error: string };
    if ("error" in reply) throw new Error(`${name}: ${reply.error}`);
    return reply.result;
  };
  return {
    name,
    variant: settings.variant,
    pid: child.pid as number,
    async run(request) {
      child.send(request);
      return result();
    },
    async open(request) {
      child.send(request);
      const reply = (await answer(child, name)) as "opened" | { error: string };
      if (reply !== "opened") throw new Error(`${name}: ${reply.error}`);
      return () => {
        child.send("go");
        return result();
      };
    },
    async close() {
      const ended = once(child, "exit");
      child.send("close");
      await ended;
    },
  };
}

async function answer(child: ChildProcess, name: string): Promise<unknown> {
  const ended = new AbortController();
  const { signal } = ended;
  try {
    return await Promise.race([
      once(child, "message", { signal }).then(([message]) => message),
      once(child, "exit", { signal }).then(([code]) => {
        throw new Error(`the client process of ${name} ended with ${code}`);
      }),
    ]);
  } finally {
    ended.abort();
  }
}
