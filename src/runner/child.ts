/**
 * One command as a child process that leads its own process group, so that it is stopped as a group and does
 * not receive the terminal's Ctrl-C.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { systemErrorCode } from "../error.ts";
import { Captured, type Output } from "./captured.ts";
import { openOutputs, outputIn } from "./output-files.ts";
import { takePipes } from "./output-pipes.ts";
import { exhaustion } from "./own-trouble.ts";
import { endGraceMs, isGroupAlive, signalGroup } from "./processes.ts";

export interface ChildOptions {
  /** The file that the command is for. */
  readonly file: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Its standard input; empty if undefined. */
  readonly input?: string;
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
  /** Why the command could not be started: an Error. */
  readonly error: unknown;
  readonly durationMs: number;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** How long the rest of a group may run on after its leader has ended. */
const lingerMs = 1000;
const pollMs = 20;
const nothing: Output = { bytes: Buffer.alloc(0), total: 0, truncated: false };

export class Child {
  /** Rejects if the file is not at fault: with OwnTrouble, or with what the system says. */
  readonly ended: Promise<Ended>;
  readonly #options: ChildOptions;
  readonly #process: ChildProcess | undefined;
  readonly #began = performance.now();
  readonly #captured: readonly [Captured, Captured];
  /** The output, unless it goes into files. */
  #streams: readonly Readable[] = [];
  #files: readonly [number, number] | undefined;
  #timedOut = false;
  #over = false;
  #killTimer: NodeJS.Timeout | undefined;

  /** @throws OwnTrouble if the files for its output cannot be opened */
  constructor(options: ChildOptions) {
    this.#options = options;
    this.#captured = [new Captured(options.outputLimit), new Captured(options.outputLimit)];
    const { files } = options;
    // If these cannot be opened, the command must not run, and the run stops: the file has not failed.
    if (files !== undefined) this.#files = openOutputs([files.stdout, files.stderr]);
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
    const { command, cwd, env, input } = this.#options;
    if (!command.every((word) => word.isWellFormed())) {
      throw new Error("its name contains unpaired surrogates, which cannot be passed to a command");
    }
    const [program, ...args] = command as [string, ...string[]];
    const pipes = this.#files === undefined ? takePipes() : undefined;
    const [stdout = "pipe", stderr = "pipe"] = this.#files ?? pipes?.map(({ writeEnd }) => writeEnd) ?? [];
    const stdin = input === undefined ? "ignore" : "pipe";
    let child: ChildProcess;
    try {
      child = spawn(program, args, { cwd, env, detached: true, stdio: [stdin, stdout, stderr] });
    } finally {
      for (const { writeEnd } of pipes ?? []) closeSync(writeEnd);
      this.#read(pipes?.map(({ stream }) => stream) ?? []);
    }
    if (pipes === undefined && child.stdout && child.stderr) this.#read([child.stdout, child.stderr]);
    // A command need not read it.
    child.stdin?.on("error", () => {}).end(input);
    return child;
  }

  #read(streams: readonly Readable[]): void {
    this.#streams = streams;
    for (const [at, stream] of streams.entries()) {
      stream.on("data", (chunk: Buffer) => this.#captured[at]?.push(chunk));
    }
  }

  async #end(failure: unknown): Promise<Ended> {
    const child = this.#process;
    if (child === undefined) return this.#notStarted(failure);
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
    let ending: readonly [number | null, NodeJS.Signals | null];
    try {
      ending = await exit;
    } catch (error) {
      return this.#notStarted(error);
    } finally {
      clearTimeout(timer);
    }
    const durationMs = performance.now() - this.#began;
    await this.#endGroup(child.pid as number);
    await this.#collect();
    return this.#told({ ...exitOf(...ending), durationMs });
  }

  #told(exit: { exitCode: number; signal: NodeJS.Signals | undefined; durationMs: number }): Ended {
    const { outputLimit, file: name } = this.#options;
    const [stdout, stderr] =
      this.#files?.map((file) => outputIn(file, outputLimit, name)) ??
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
    const trouble = exhaustion(error);
    if (trouble !== undefined) throw trouble;
    return {
      exitCode: systemErrorCode(error) === "ENOENT" ? 127 : 126,
      signal: undefined,
      timedOut: false,
      error,
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
  async #collect(): Promise<void> {
    const open = this.#streams.filter((stream) => !stream.closed);
    if (open.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, lingerMs);
    });
    const closed = open.map((stream) => new Promise((resolve) => stream.once("close", resolve)));
    await Promise.race([Promise.all(closed), late]);
    clearTimeout(timer);
    for (const stream of open) stream.destroy();
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
