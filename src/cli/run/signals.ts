import type { HostProcess } from "../host-process.ts";

/** While a run lasts, it decides itself what the signals of the process do. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls the handler with the number of the signal, from 1. Returns what puts things back. */
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
 * Calls the handler, with the reason, when standard output or standard error can no longer be written to, which would end the
 * process otherwise: nobody reads it any more, its disk is full, its terminal is gone.
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
      // Of one that is broken already, nobody wants to hear again.
      if (isBroken) return;
      stream.off("error", onError);
      for (const listener of before) stream.on("error", listener);
    };
  });
  return () => {
    for (const giveBack of taken) giveBack();
  };
}
