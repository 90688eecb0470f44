/** Ends a process whose terminal has hung up. */
import { isatty } from "node:tty";

/**
 * Must be called at the start. At its end Node.js crashes if a terminal of the process is gone meanwhile,
 * because it cannot restore the settings of that terminal (SIGABRT or SIGSEGV, with a core dump). The process
 * then ends by SIGHUP instead.
 */
export function endWithoutTerminal(): void {
  const terminals = [0, 1, 2].filter((descriptor) => isatty(descriptor));
  if (terminals.length > 0) process.on("exit", end);

  function end(code: number): void {
    if (terminals.every((descriptor) => isatty(descriptor))) return;
    // The listeners that were added later, such as those that remove unfinished files.
    for (const listener of process.listeners("exit")) if (listener !== end) listener(code);
    process.removeAllListeners("SIGHUP");
    process.kill(process.pid, "SIGHUP");
  }
}
