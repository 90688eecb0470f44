/**
 * Looks at files on a thread of its own. A start with 100,000 sessions takes 0.50 s so, and 0.61 s without:
 * half of the time goes into lstat(2), beside which the main thread reads the saved index. For a single file,
 * a round to another thread costs many times the look itself.
 */
import { Worker } from "node:worker_threads";
import type { StatThread } from "./file-system.ts";
import type { Identity } from "./session-file.ts";

/**
 * What the thread runs: as text, because a thread loads its program by itself, whatever bundle this is a part
 * of. It says of each path what `identityOf` says, which a test holds it to; nothing for what is no regular
 * file or cannot be looked at.
 */
const program = `
const { lstatSync } = require("node:fs");
const { parentPort } = require("node:worker_threads");
const options = { bigint: true, throwIfNoEntry: false };
function look(path) {
  try {
    const stats = lstatSync(path, options);
    return stats?.isFile() ? stats.ino + ":" + stats.size + ":" + stats.mtimeNs : "";
  } catch {
    return "";
  }
}
parentPort.on("message", (paths) => parentPort.postMessage(paths.split("\\0").map(look).join("\\0")));
parentPort.postMessage("");
`;

/** Undefined where the system allows no more threads. */
export function startStatThread(): StatThread | undefined {
  let worker: Worker;
  try {
    worker = new Worker(program, { eval: true, execArgv: [] });
  } catch {
    return undefined;
  }
  let isReady = false;
  /** Those who wait for an answer, in the order in which they asked. */
  const waiting: ((identities: Identity[] | undefined) => void)[] = [];
  worker.once("message", () => {
    isReady = true;
    worker.on("message", (identities: string) => waiting.shift()?.(identities.split("\0")));
  });
  // Such as for want of memory: it has ended then.
  worker.once("error", () => {});
  worker.once("exit", () => {
    isReady = false;
    for (const resolve of waiting.splice(0)) resolve(undefined);
  });
  return {
    get isReady() {
      return isReady;
    },
    identities(paths) {
      if (!isReady) return Promise.resolve(undefined);
      return new Promise((resolve) => {
        waiting.push(resolve);
        worker.postMessage(paths.join("\0"));
      });
    },
    async close() {
      await worker.terminate();
    },
  };
}
