/** What ends a run from outside: signals, for which it has handlers of its own, and output that cannot be written. */
import { isReaderGone, systemReason } from "../../files/standard-streams.ts";
import type { HostProcess } from "../host-process.ts";
import type { OutputStream } from "../output.ts";

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Calls the handler for each signal, with the number of signals so far, from 1. The returned function
 * restores the earlier listeners.
 */
export function takeSignals(process: HostProcess, handler: (count: number) => void): () => void {
  let count = 0;
  const onSignal = () => handler(++count);
  const before = signals.map((signal) => {
    const listeners = process.listeners(signal) as (() => void)[];
    process.removeAllListeners(signal);
    process.on(signal, onSignal);
    return { signal, listeners };
  });
  return () => {
    for (const { signal, listeners } of before) {
      process.off(signal, onSignal);
      for (const listener of listeners) process.on(signal, listener);
    }
  };
}

/**
 * Calls the handler, with a reason, when standard output or standard error cannot be written any more: its
 * reader has closed it, the disk is full, or the terminal is gone. The returned function ends this.
 */
export function onBrokenOutput(
  broken: AbortSignal,
  stderr: OutputStream,
  handler: (reason: string) => void,
): () => void {
  const onError = (error: Error) =>
    handler(
      isReaderGone(error)
        ? "the reader of the output has closed it"
        : `cannot write the output: ${systemReason(error)}`,
    );
  const onBroken = () => onError(broken.reason);
  broken.addEventListener("abort", onBroken);
  stderr.on("error", onError);
  if (broken.aborted) onBroken();
  return () => {
    broken.removeEventListener("abort", onBroken);
    // Further errors of a broken stream do not matter.
    stderr.off("error", onError).on("error", () => {});
  };
}
