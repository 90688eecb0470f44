/** While a run lasts, it decides itself what the signals of the process do. */
const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Calls the handler with the number of the signal, from 1. Returns what puts things back. */
export function takeSignals(handler: (count: number) => void): () => void {
  let count = 0;
  const onSignal = () => handler(++count);
  const before = signals.map((signal) => {
    const listeners = process.listeners(signal);
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

/** Calls the handler when nobody reads standard output any more, which would end the process otherwise. */
export function takeBrokenPipe(handler: () => void): () => void {
  const before = process.stdout.listeners("error") as ((error: Error) => void)[];
  const onError = (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") handler();
    else for (const listener of before) listener.call(process.stdout, error);
  };
  process.stdout.removeAllListeners("error");
  process.stdout.on("error", onError);
  return () => {
    // Of a pipe that is broken already, nobody wants to hear again.
    if (process.stdout.destroyed) return;
    process.stdout.off("error", onError);
    for (const listener of before) process.stdout.on("error", listener);
  };
}
