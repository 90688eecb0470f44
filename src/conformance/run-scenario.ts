/** Plays one scenario to a worker: starts its command, and judges what it did when it has ended. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Exit, type Fault, Judge, named } from "./judge.ts";
import { PlayedDaemon } from "./played-daemon.ts";
import { PlayedSession } from "./played-session.ts";
import type { Scenario } from "./scenario.ts";

export interface CheckOptions {
  /** The command of the worker and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly isShared: boolean;
  /** How long a scenario may take. */
  readonly timeoutMs: number;
}

export interface Outcome {
  /** What the worker did wrong; undefined if nothing. */
  readonly fault: Fault | undefined;
  /** The end of what the worker wrote to its standard output and error. */
  readonly output: string;
}

const mostOutput = 2000;
/** How long to wait for the end of a connection whose worker has ended. */
const quietMs = 2000;
/** How long to wait for the rest of what a worker has written. */
const leftoverMs = 500;

/** @throws the error of the system if the command cannot be started */
export async function runScenario(scenario: Scenario, options: CheckOptions): Promise<Outcome> {
  // Made and noted in one step: no end of the program comes between.
  const directory = mkdtempSync(join(tmpdir(), "check-worker-"));
  const socketPath = join(directory, "sessiond.sock");
  const session = new PlayedSession(scenario);
  const remove = () => rmSync(directory, { recursive: true, force: true });
  // Ctrl-C ends the program in the middle of a scenario.
  process.on("exit", remove);
  const stop = new AbortController();
  const judge = new Judge(session, options, () => stop.abort());
  const daemon = new PlayedDaemon({ ...options, scenario, session, judge, socketPath });
  try {
    await daemon.start();
    const { exit, output } = await runWorker(options, { socketPath, id: session.id, stop: stop.signal });
    if (exit === undefined)
      judge.blame(`it did not end within ${options.timeoutMs / 1000} s; ${whatIsLeft(session)}`);
    else {
      for (let waitedMs = 0; !daemon.isQuiet && waitedMs < quietMs; waitedMs += 10) await sleep(10);
      judge.ended(exit, daemon.connections);
    }
    return { fault: judge.fault, output };
  } finally {
    daemon.close();
    process.off("exit", remove);
    remove();
  }
}

interface Place {
  readonly socketPath: string;
  readonly id: string;
  /** Ends the worker. */
  readonly stop: AbortSignal;
}

/** Resolves when the worker has ended, without an exit if it took too long. */
async function runWorker(
  { command: [program, ...args], timeoutMs }: CheckOptions,
  { socketPath, id, stop }: Place,
): Promise<{ exit: Exit | undefined; output: string }> {
  const child = spawn(program, args, {
    // A group of its own, so that what it has started ends with it.
    detached: true,
    env: { ...process.env, SESSIOND_SOCKET: socketPath, SESSIOND_SESSION: id },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-mostOutput);
    });
  }
  await once(child, "spawn");
  const closed = once(child, "close");
  const kill = () => killGroup(child.pid as number);
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, timeoutMs);
  if (stop.aborted) kill();
  stop.addEventListener("abort", kill);
  process.on("exit", kill);
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  clearTimeout(timer);
  process.off("exit", kill);
  kill();
  // Whatever has left the group may keep the pipes open.
  await Promise.race([closed, sleep(leftoverMs)]);
  child.stdout.destroy();
  child.stderr.destroy();
  return { exit: isLate ? undefined : { code, signal }, output };
}

/** Ends the worker and all that it has started. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // All of them have ended.
  }
}

function whatIsLeft({ pending }: PlayedSession): string {
  const [first] = pending;
  return first === undefined
    ? "all files are done"
    : `${pending.size} files are pending, the first is ${named(first)}`;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
