/** Signals that end a process without its "exit" event. */
const deadly = ["SIGTERM", "SIGHUP", "SIGQUIT"] as const;

export interface Guarded {
  /** Puts the terminal right; at once, for nothing runs after it, and maybe more than once. */
  restore(): void;
  /** Takes the terminal again, when a process that was stopped (Ctrl-Z) goes on. */
  resume(): void;
}

/**
 * Sees to it that the terminal is put right however the process ends or stops, SIGKILL excepted, until the returned
 * function is called; that one restores as well. Where others listen for a signal too, what it does is left to them.
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
