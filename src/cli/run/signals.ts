/**
 * Handlers that a run puts in place of those of the process: for signals, and for output that cannot be
 * written.
 */
import type { HostProcess } from "../host-process.ts";

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
 * reader has closed it, the disk is full, or the terminal is gone. Without a handler this would end the
 * process. The returned function restores the earlier listeners.
 */
export function takeBrokenOutput(
  { stdout, stderr }: HostProcess,
  handler: (reason: string) => void,
): () => void {
  const taken = [stdout, stderr].map((stream) => {
    const before = stream.listeners("error") as ((error: Error) => void)[];
    let isBroken = false;
    const onError = (error: NodeJS.ErrnoException) => {
      isBroken = true;
      handler(
        error.code === "EPIPE"
          ? "the reader of the output has closed it"
          : `cannot write the output: ${error.message}`,
      );
    };
    stream.removeAllListeners("error");
    stream.on("error", onError);
    return () => {
      // Further errors of a broken stream do not matter.
      if (isBroken) return;
      stream.off("error", onError);
      for (const listener of before) stream.on("error", listener);
    };
  });
  return () => {
    for (const giveBack of taken) giveBack();
  };
}
