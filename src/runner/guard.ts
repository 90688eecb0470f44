/** The runner's side of its guard. */
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

  /** The command line of a process that calls `guard`. */
  constructor(command: readonly string[]) {
    this.#command = command;
    this.#start();
  }

  began(group: number): void {
    this.#groups.add(group);
    this.#say(`${this.#unsaid}+${group}\n`);
    this.#unsaid = "";
  }

  /** Said together with the next beginning: a group that is gone can do no harm. */
  ended(group: number): void {
    this.#groups.delete(group);
    this.#unsaid += `-${group}\n`;
  }

  /** Everything has ended that began. */
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
      // A run within a command of another run has work to do after that one's guard has ended the command.
      env: { ...process.env, [markVariable]: undefined },
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.unref();
    (child.stdin as Socket).unref();
    // Its end is told by "exit".
    child.stdin?.on("error", () => {});
    child.on("error", () => {});
    child.on("exit", () => {
      if (!this.#closed) this.#start();
    });
    this.#process = child;
    for (const group of this.#groups) this.#say(`+${group}\n`);
  }
}
