/**
 * The signals that end a process unless it handles them: which of them mean what to a run and to its guard.
 * SIGABRT and the signals of faults are left alone, as they are to end a process at once.
 */

/** Somebody wants the process to end. Who says so twice does not want to wait. */
export const requests = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** The machine says that something is over, and may say so again and again. */
export const notices = [
  "SIGXCPU",
  "SIGALRM",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGSTKFLT",
] as const;

/** Of no meaning to us. Node.js opens a debugger port on the first, and ends on the second. */
export const ignored = ["SIGUSR1", "SIGUSR2"] as const;

/** Makes this process ignore signals, for as long as it lives. */
export function ignoreSignals(signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) process.on(signal, () => {});
}
