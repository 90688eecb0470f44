/** The descriptor through which the log is written: one whose reader cannot make a write wait. */
import { constants, fstatSync, openSync } from "node:fs";
import process from "node:process";
import { isatty } from "node:tty";

const standardError = 2;
const opening = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * A file is written directly. A terminal or a pipe is opened once more: whether a write waits belongs to the
 * opened file, which the shell and other programs share. A socket cannot be opened, so it is told not to wait
 * as it is; that is what Node.js does with the stream of standard error, and with a pipe too.
 */
export function openLogTarget(): number {
  const kind = fstatSync(standardError);
  if (!isatty(standardError) && !kind.isFIFO() && !kind.isSocket()) return standardError;
  // Node.js makes this stream when it is first asked for.
  void process.stderr;
  try {
    return openSync("/proc/self/fd/2", opening);
  } catch {
    // A socket, no /proc, or a terminal of another user; in the last two cases a terminal may make us wait.
    return standardError;
  }
}
