/** A terminal of the story: prints what a user would type, runs it, and prints what it says. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters, styleText } from "node:util";
import { shellQuote } from "../../src/text/shell-quote.ts";
import type { Scratch } from "./scratch.ts";

const styled = process.stdout.isTTY && !process.env.NO_COLOR;
const sessionctl = resolve(import.meta.dirname, "../sessionctl.js");
const longestWaitMs = 20_000;

/** Prints the heading of a part of the story. */
export function heading(text: string): void {
  process.stdout.write(`\n${styled ? styleText("bold", text) : text}\n`);
}

/** A command that runs, or has ended. */
export interface Command {
  readonly process: ChildProcess;
  /** What it has said on stdout (if that was shown) and stderr. */
  readonly said: readonly string[];
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

export class Terminal {
  readonly #number: number;
  readonly #scratch: Scratch;

  /** @param number what its lines begin with */
  constructor(number: number, scratch: Scratch) {
    this.#number = number;
    this.#scratch = scratch;
  }

  show(line: string): void {
    process.stdout.write(`  ${this.#number}│ ${line}\n`);
  }

  type(line: string): void {
    this.show(`$ ${styled ? styleText("bold", line) : line}`);
  }

  /** Starts sessionctl. Its stdout is dropped if `output` is false, and the command line says so. */
  sessionctl(args: readonly string[], { output = true } = {}): Command {
    this.type(["sessionctl", ...args].map(asTyped).join(" ") + (output ? "" : " >/dev/null"));
    const child = spawn(process.execPath, [sessionctl, ...args], {
      cwd: this.#scratch.project,
      env: this.#scratch.env,
      stdio: ["ignore", output ? "pipe" : "ignore", "pipe"],
    });
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        said.push(line);
        this.show(stripVTControlCharacters(line));
      });
    }
    const exited = once(child, "close").then(([code, signal]) => ({ code, signal }));
    return { process: child, said, exited };
  }

  /** `kill -9` */
  kill(pid: number, who: string): void {
    this.type(`kill -9 ${pid}    # ${who}`);
    process.kill(pid, "SIGKILL");
  }

  /** Prints a file of the project, as `cat` does. */
  cat(name: string, content: string): void {
    this.type(`cat ${name}`);
    for (const line of content.trimEnd().split("\n")) this.show(line);
  }
}

/** Nobody quotes the place of the file. */
function asTyped(word: string): string {
  return word === "{}" ? word : shellQuote(word);
}

/** Resolves with the time that it took, in milliseconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<number> {
  const since = performance.now();
  while (!(await holds())) {
    if (performance.now() - since > longestWaitMs) throw new Error(`waited in vain until ${what}`);
    await sleep(5);
  }
  return performance.now() - since;
}
