/**
 * Runs sessionctl within the process of the test, which gives it streams, signals, directory and environment.
 */
import { EventEmitter } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import type { HostProcess } from "../../src/cli/host-process.ts";
import { main } from "../../src/cli/main.ts";

export interface Outcome {
  /** Null if a signal ended the program. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  stdin?: string | Buffer;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

export class TestHost extends EventEmitter implements HostProcess {
  readonly stdin = new PassThrough();
  readonly stdout = new Kept();
  readonly stderr = new Kept();
  readonly env: NodeJS.ProcessEnv;
  readonly pid = process.pid;
  /** Resolves with the code of the first `exit`. */
  readonly exited: Promise<number>;
  readonly #cwd: string;
  #exit: (code: number) => void = () => {};

  constructor({ stdin = "", cwd = process.cwd(), env = process.env }: CommandOptions = {}) {
    super();
    this.env = env;
    this.#cwd = cwd;
    this.stdin.end(stdin);
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }

  cwd(): string {
    return this.#cwd;
  }

  exit(code: number): void {
    this.#exit(code);
  }
}

/** Keeps what is written to it. */
class Kept extends Writable {
  readonly #chunks: Buffer[] = [];

  get text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }
}

export interface RunningCommand {
  readonly host: TestHost;
  readonly ended: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
  /** As the signal of that name would reach the process. */
  kill(signal: NodeJS.Signals): void;
}

/** A command that runs while the test goes on. One that has not ended when the test ends is interrupted. */
export function startCommand(args: readonly string[], options?: CommandOptions): RunningCommand {
  const host = new TestHost(options);
  const [stdout, stderr] = [() => host.stdout.text, () => host.stderr.text];
  const ended = Promise.race([main(args, host), host.exited]).then((code) => ({
    code,
    stdout: stdout(),
    stderr: stderr(),
  }));
  onTestFinished(async () => {
    // The second one ends the commands of a run.
    for (let count = 0; count < 2; count++) host.emit("SIGINT");
    await ended;
  });
  return { host, ended, stdout, stderr, kill: (signal) => void host.emit(signal) };
}
