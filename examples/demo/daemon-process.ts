/** Starts, freezes, kills and stops the daemon of the demo. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError, SessionClient } from "../../src/client/index.ts";
import type { Scratch } from "./scratch.ts";

const startDeadlineMs = 20_000;

/** The directory, socket, configuration and log of one daemon, which stay the same over its restarts. */
export class DaemonHome {
  readonly sessionsDir: string;
  readonly socketPath: string;
  readonly #script: string;
  readonly #scratch: Scratch;
  readonly #configFile: string;
  readonly #logFile: string;

  /** @param script the built `sessiond.js` */
  constructor(script: string, scratch: Scratch) {
    this.#script = script;
    this.#scratch = scratch;
    this.sessionsDir = join(scratch.directory, "sessions");
    this.socketPath = join(scratch.directory, "sessiond.sock");
    this.#configFile = join(scratch.directory, "sessiond.yaml");
    this.#logFile = join(scratch.directory, "sessiond.log");
    mkdirSync(this.sessionsDir);
    writeFileSync(this.#logFile, "");
    // An empty file gives the defaults, even if there is a configuration in /etc.
    writeFileSync(this.#configFile, "");
  }

  /** Resolves when the daemon answers. */
  async start(): Promise<RunningDaemon> {
    const startedAt = performance.now();
    const log = openSync(this.#logFile, "a");
    const child = this.#scratch.own(
      spawn(
        process.execPath,
        [
          this.#script,
          ...["--config", this.#configFile],
          ...["--sessions-dir", this.sessionsDir],
          ...["--socket", this.socketPath],
        ],
        { cwd: this.#scratch.directory, stdio: ["ignore", "ignore", log] },
      ),
    );
    closeSync(log);
    await untilItAnswers(child, this.socketPath);
    return new RunningDaemon(child, performance.now() - startedAt);
  }

  /** The last lines that the daemon logged. */
  logTail(lines = 8): string {
    return readFileSync(this.#logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  }
}

export class RunningDaemon {
  /** The time from the start of the process to its first answer, in milliseconds. */
  readonly startMs: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(child: ChildProcess, startMs: number) {
    this.#child = child;
    this.#exited = once(child, "exit");
    this.startMs = startMs;
  }

  /** Suspends the process, whatever it is doing. */
  freeze(): void {
    assert.ok(this.#child.kill("SIGSTOP"), "the daemon was not running");
  }

  /** `kill -9`: the process cannot finish anything. */
  kill(): void {
    assert.ok(this.#child.kill("SIGKILL"), "the daemon was not running");
  }

  /** Resolves when the killed process has ended. */
  async gone(): Promise<void> {
    await this.#exited;
    assert.equal(this.#child.signalCode, "SIGKILL", "the daemon ended before it was killed");
  }

  /** Stops the daemon as a service manager would. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#exited;
    assert.equal(this.#child.exitCode, 0, "the daemon did not stop cleanly");
  }
}

async function untilItAnswers(child: ChildProcess, socketPath: string): Promise<void> {
  const client = new SessionClient({ socketPath, timeoutMs: 2000 });
  const deadline = performance.now() + startDeadlineMs;
  let failure: Error | undefined;
  child.once("error", (error) => {
    failure = error;
  });
  try {
    for (;;) {
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the daemon ended while it started, with ${child.signalCode ?? child.exitCode}`);
      }
      try {
        assert.equal((await client.getInfo()).pid, child.pid, "another daemon answers at the socket");
        return;
      } catch (error) {
        if (!(error instanceof ConnectionError) || performance.now() > deadline) throw error;
        await sleep(5);
      }
    }
  } finally {
    client.close();
  }
}
