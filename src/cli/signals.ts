/**
 * What ends a run or a teller of events from outside: signals, for which they have handlers of their own, and
 * output that cannot be written.
 */
import { isReaderGone, systemReason } from "../files/standard-streams.ts";
import { notices, requests } from "../runner/end-signals.ts";
import type { HostProcess } from "./host-process.ts";
import type { OutputStream } from "./output.ts";

/**
 * Calls the handler for each signal that asks the process to end, with the number of such signals so far,
 * from 1. Notices of the machine count once at most, as the first. The returned function restores the earlier
 * listeners.
 */
export function takeSignals(process: HostProcess, handler: (count: number) => void): () => void {
  let count = 0;
  const onRequest = () => handler(++count);
  const onNotice = () => {
    if (count === 0) handler(++count);
  };
  const take = (listener: () => void) => (signal: NodeJS.Signals) => {
    const before = process.listeners(signal) as (() => void)[];
    process.removeAllListeners(signal);
    process.on(signal, listener);
    return () => {
      process.off(signal, listener);
      for (const earlier of before) process.on(signal, earlier);
    };
  };
  const taken = [...requests.map(take(onRequest)), ...notices.map(take(onNotice))];
  return () => {
    for (const restore of taken) restore();
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
