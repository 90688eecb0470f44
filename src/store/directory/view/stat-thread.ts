/**
 * Looks at files on a thread of its own: a start over many sessions would spend half of its time on it. For an ordinary look at a
 * file, a round to another thread costs many times the look itself.
 */
import { Worker } from "node:worker_threads";
import { type Identity, identityOf } from "../disk/session-codec.ts";

/** What the thread runs. As text, because it is loaded by itself, from whatever bundle this is a part of. */
const program = `
const { lstatSync } = require("node:fs");
const { parentPort } = require("node:worker_threads");
const identityOf = ${identityOf};
const options = { bigint: true, throwIfNoEntry: false };
function look(path) {
  try {
    const stats = lstatSync(path, options);
    return stats?.isFile() ? identityOf(stats) : "";
  } catch {
    return "";
  }
}
parentPort.on("message", (paths) => parentPort.postMessage(paths.split("\\0").map(look).join("\\0")));
parentPort.postMessage("");
`;

export class StatThread {
  readonly #worker = new Worker(program, { eval: true, execArgv: [] });
  readonly #waiting: ((identities: Identity[] | undefined) => void)[] = [];
  #isReady = false;

  /** Undefined where the system allows no more threads. */
  static start(): StatThread | undefined {
    try {
      return new StatThread();
    } catch {
      return undefined;
    }
  }

  private constructor() {
    this.#worker.once("message", () => {
      this.#isReady = true;
      this.#worker.on("message", (identities: string) => this.#waiting.shift()?.(identities.split("\0")));
    });
    // Such as for want of memory.
    this.#worker.once("error", () => {});
    this.#worker.once("exit", () => this.#gone());
  }

  /** Whether it has begun, and has not ended. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** In the order of the paths; empty for what is no regular file or cannot be looked at. Undefined if the thread has ended. */
  identities(paths: readonly string[]): Promise<Identity[] | undefined> {
    if (!this.#isReady) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#worker.postMessage(paths.join("\0"));
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #gone(): void {
    this.#isReady = false;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }
}
