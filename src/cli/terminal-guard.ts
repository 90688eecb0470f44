/** Restores the terminal however the process ends or stops, except by SIGKILL. */

import { notices } from "../runner/end-signals.ts";

/** Signals that end a process without its "exit" event. */
const deadly = ["SIGTERM", "SIGHUP", "SIGQUIT", ...notices] as const;

export interface Guarded {
  /**
   * Restores the terminal, synchronously: the process ends right after it. It may be called more than once.
   */
  restore(): void;
  /** Takes the terminal again when a stopped process (Ctrl-Z) continues. */
  resume(): void;
}

/**
 * Restores the terminal when the process ends or stops, until the returned function is called, which restores
 * it too. If somebody else also listens for a signal, that listener decides whether the process ends.
 */
export function guardTerminal({ restore, resume }: Guarded): () => void {
  const onDeadly = (signal: NodeJS.Signals) => {
    restore();
    if (process.listenerCount(signal) > 1) return;
    release();
    process.kill(process.pid, signal);
  };
  const onStop = () => {
    restore();
    process.kill(process.pid, "SIGSTOP");
  };
  const release = () => {
    process.off("exit", restore).off("SIGTSTP", onStop).off("SIGCONT", resume);
    for (const signal of deadly) process.off(signal, onDeadly);
    restore();
  };
  process.on("exit", restore).on("SIGTSTP", onStop).on("SIGCONT", resume);
  for (const signal of deadly) process.on(signal, onDeadly);
  return release;
}
