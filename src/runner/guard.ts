/** Starts the guard process, tells it of each process group, and replaces it if it dies. */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { farewell } from "./guard-process.ts";
import { markVariable } from "./mark.ts";

const maxStarts = 5;

export class Guard {
  readonly #command: readonly string[];
  readonly #groups = new Set<number>();
  #process: ChildProcess | undefined;
  #starts = 0;
  #closed = false;
  #unsaid = "";

  /** @param command command line of a process that calls `guard` */
  constructor(command: readonly string[]) {
    this.#command = command;
    this.#start();
  }

  began(group: number): void {
    this.#groups.add(group);
    this.#say(`${this.#unsaid}+${group}\n`);
    this.#unsaid = "";
  }

  /** Sent together with the next start, to save a write: a group that has ended does no harm. */
  ended(group: number): void {
    this.#groups.delete(group);
    this.#unsaid += `-${group}\n`;
  }

  /** Ends the guard: every group that began has ended. */
  close(): void {
    this.#closed = true;
    this.#process?.stdin?.end(`${farewell}\n`);
  }

  #say(text: string): void {
    this.#process?.stdin?.write(text);
  }

  #start(): void {
    if (++this.#starts > maxStarts) return;
    const [program, ...args] = this.#command as [string, ...string[]];
    const child = spawn(program, args, {
      detached: true,
      cwd: "/",
      // In a run inside a command of another run, this guard must survive the outer run's guard.
      env: { ...process.env, [markVariable]: undefined },
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.unref();
    (child.stdin as Socket).unref();
    // The "exit" event reports its end.
    child.stdin?.on("error", () => {});
    child.on("error", () => {});
    child.on("exit", () => {
      if (!this.#closed) this.#start();
    });
    this.#process = child;
    for (const group of this.#groups) this.#say(`+${group}\n`);
  }
}
