/** Reports the result of a file, and retries until the result is durable or is refused for good. */
import { setTimeout as sleep } from "node:timers/promises";
import { isSessiondError } from "../error.ts";
import type { JsonObject } from "../json/exact-json.ts";
import type { FullDisk } from "./full-disk.ts";
import type { RunWorker } from "./run-session.ts";

const retryMs = 500;

export interface Recorder {
  readonly worker: RunWorker;
  /** Milliseconds to wait for space on a full disk. */
  readonly patienceMs: number;
  /** Whether the file is processed, and not pending any more. */
  readonly isProcessed: boolean;
  readonly disk: FullDisk;
  say(line: string): void;
}

/**
 * Resolves when the result is durable. If the daemon refuses its size or content, records `smaller` instead.
 *
 * @throws what `WorkerSession.report` does
 */
export async function record(
  { worker, patienceMs, isProcessed, disk, say }: Recorder,
  file: string,
  result: JsonObject,
  smaller: () => JsonObject,
): Promise<void> {
  const began = performance.now();
  let current = result;
  for (;;) {
    try {
      await worker.report({ processed: isProcessed ? [file] : [], results: resultsOf(file, current) });
      disk.taken();
      return;
    } catch (error) {
      if (isSessiondError(error, "payload_too_large", "invalid_request") && current === result) {
        current = smaller();
        say(`the output of ${file} is not recorded: ${error.message}`);
      } else if (isSessiondError(error, "storage_full") && performance.now() - began < patienceMs) {
        disk.refused();
        await sleep(retryMs);
      } else throw error;
    }
  }
}

/** A file may be named `__proto__`, for which an assignment would not create a key. */
function resultsOf(file: string, result: JsonObject): JsonObject {
  return Object.fromEntries([[file, result]]);
}
