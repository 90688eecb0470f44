/**
 * Locks by flock(2). The kernel releases a lock when the process ends, however it ends: no lock is ever
 * stale. Node.js has no flock, so flock(1) of util-linux takes the lock on a descriptor that both processes
 * share and this one keeps open.
 */
import { spawnSync } from "node:child_process";
import { systemErrorCode } from "../error.ts";

/**
 * Takes the lock of an open file or directory, until the descriptor is closed. Returns false if another
 * process has it.
 *
 * @throws Error that says why locks cannot be taken
 */
export function tryLock(fd: number): boolean {
  const { status, error, stderr } = spawnSync("flock", ["--nonblock", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
  });
  if (error !== undefined) {
    const isMissing = systemErrorCode(error) === "ENOENT";
    throw new Error(isMissing ? "flock(1) of util-linux is not installed" : error.message, { cause: error });
  }
  if (status !== 0 && status !== 1) throw new Error(stderr.toString().trim());
  return status === 0;
}
