/**
 * One command as a child process that leads its own process group, so that it is stopped as a group and does
 * not receive the terminal's Ctrl-C.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { systemErrorCode } from "../error.ts";
import { Captured, joined, type Output } from "./captured.ts";
import { endGraceMs, isGroupAlive, signalGroup } from "./processes.ts";

export interface ChildOptions {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The most bytes to keep of each stream. */
  readonly outputLimit: number;
  /** Files that get the whole output. */
  readonly files: { readonly stdout: string; readonly stderr: string } | undefined;
  readonly timeoutMs: number | undefined;
}

export interface Ended {
  /** As in a shell: 128 + signal, 124 after the time limit, 126 or 127 if it could not be started. */
  readonly exitCode: number;
  readonly signal: NodeJS.Signals | undefined;
  readonly timedOut: boolean;
  /** Why the command could not be started. */
  readonly error: string | undefined;
  readonly durationMs: number;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** The machine lacks the resources to start a command; the command is not at fault. */
export class CannotStart extends Error {}

const exhausted = ["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"];
/** How long the rest of a group may run on after its leader has ended. */
const lingerMs = 1000;
const pollMs = 20;
const nothing: Output = { bytes: Buffer.alloc(0), total: 0, truncated: false };

export class Child {
  /** Rejects with CannotStart. */
  readonly ended: Promise<Ended>;
  readonly #options: ChildOptions;
  readonly #process: ChildProcess | undefined;
  readonly #began = performance.now();
  readonly #captured: readonly [Captured, Captured];
  #files: readonly [number, number] | undefined;
  #timedOut = false;
  #over = false;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.#captured = [new Captured(options.outputLimit), new Captured(options.outputLimit)];
    const { files } = options;
    // If these cannot be opened, the command must not run, and the run stops: the file has not failed.
    if (files !== undefined) this.#files = [openSync(files.stdout, "w+"), openSync(files.stderr, "w+")];
    let failure: unknown;
    try {
      this.#process = this.#spawn();
    } catch (error) {
      failure = error;
    }
    this.ended = this.#end(failure).finally(() => this.#release());
  }

  /** Id of the process group; undefined if the command could not be started. */
  get group(): number | undefined {
    return this.#process?.pid;
  }

  /** Asks the group to end, and kills it after a grace period. `ended` resolves when the command is gone. */
  stop(): void {
    const group = this.#liveGroup;
    if (group === undefined) return;
    signalGroup(group, "SIGTERM");
    // A stopped process handles the signal only after it is continued.
    signalGroup(group, "SIGCONT");
    this.#killTimer ??= setTimeout(() => this.kill(), endGraceMs);
  }

  /** Kills the group at once. */
  kill(): void {
    const group = this.#liveGroup;
    if (group !== undefined) signalGroup(group, "SIGKILL");
  }

  /** Undefined once the group has ended: its number may belong to another one by then. */
  get #liveGroup(): number | undefined {
    return this.#over ? undefined : this.group;
  }

  #spawn(): ChildProcess {
    const { command, cwd, env } = this.#options;
    if (!command.every((word) => word.isWellFormed())) {
      throw new Error("its name contains unpaired surrogates, which cannot be passed to a command");
    }
    const [program, ...args] = command as [string, ...string[]];
    const [stdout, stderr]: readonly (number | "pipe")[] = this.#files ?? ["pipe", "pipe"];
    const child = spawn(program, args, {
      cwd,
      env,
      detached: true,
      stdio: ["ignore", stdout ?? "pipe", stderr ?? "pipe"] as const,
    });
    child.stdout?.on("data", (chunk: Buffer) => this.#captured[0].push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => this.#captured[1].push(chunk));
    return child;
  }

  async #end(failure: unknown): Promise<Ended> {
    const child = this.#process;
    if (child === undefined) return this.#notStarted(failure);
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const exit = new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.once("exit", (code, signal) => resolve([code, signal]));
      child.once("error", reject);
    });
    const { timeoutMs } = this.#options;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            this.#timedOut = true;
            this.stop();
          }, timeoutMs);
    try {
      const [code, signal] = await exit;
      const durationMs = performance.now() - this.#began;
      clearTimeout(timer);
      await this.#endGroup(child.pid as number);
      await this.#collect(child, closed);
      return this.#told({ ...exitOf(code, signal), durationMs });
    } catch (error) {
      return this.#notStarted(error);
    } finally {
      clearTimeout(timer);
    }
  }

  #told(exit: { exitCode: number; signal: NodeJS.Signals | undefined; durationMs: number }): Ended {
    const [stdout, stderr] =
      this.#files?.map((file) => endsOf(file, this.#options.outputLimit)) ??
      this.#captured.map((captured) => captured.output());
    return {
      ...exit,
      exitCode: this.#timedOut ? 124 : exit.exitCode,
      timedOut: this.#timedOut,
      error: undefined,
      stdout: stdout as Output,
      stderr: stderr as Output,
    };
  }

  #notStarted(error: unknown): Ended {
    const code = systemErrorCode(error) ?? "";
    const message = error instanceof Error ? error.message : String(error);
    if (exhausted.includes(code)) throw new CannotStart(message, { cause: error });
    return {
      exitCode: code === "ENOENT" ? 127 : 126,
      signal: undefined,
      timedOut: false,
      error: message,
      durationMs: performance.now() - this.#began,
      stdout: nothing,
      stderr: nothing,
    };
  }

  /** Lets processes that the leader left behind finish for a moment, then stops them. */
  async #endGroup(group: number): Promise<void> {
    if (!signalGroup(group, 0)) return;
    if (await goneWithin(group, this.#timedOut ? 0 : lingerMs)) return;
    signalGroup(group, "SIGTERM");
    if (await goneWithin(group, lingerMs)) return;
    signalGroup(group, "SIGKILL");
    await goneWithin(group, lingerMs);
  }

  /**
   * Reads the rest of the output, with a limit: a process that left the group may hold the pipes for ever.
   */
  async #collect(child: ChildProcess, closed: Promise<void>): Promise<void> {
    if (child.stdout === null || (child.stdout.readableEnded && child.stderr?.readableEnded)) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, lingerMs);
    });
    await Promise.race([closed, late]);
    clearTimeout(timer);
    child.stdout.destroy();
    child.stderr?.destroy();
  }

  #release(): void {
    this.#over = true;
    clearTimeout(this.#killTimer);
    for (const file of this.#files ?? []) closeSync(file);
    this.#files = undefined;
  }
}

function exitOf(code: number | null, signal: NodeJS.Signals | null) {
  if (signal === null) return { exitCode: code ?? 1, signal: undefined };
  return { exitCode: 128 + constants.signals[signal], signal };
}

async function goneWithin(group: number, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  while (isGroupAlive(group)) {
    if (performance.now() >= end) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Reads the beginning and the end of an open file. */
function endsOf(file: number, limit: number): Output {
  const { size } = fstatSync(file);
  if (size <= limit) return joined(readAt(file, 0, size), Buffer.alloc(0), size);
  const tail = Math.floor(limit / 2);
  return joined(readAt(file, 0, limit - tail), readAt(file, size - tail, tail), size);
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}
