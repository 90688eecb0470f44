/**
 * One process per sessions directory. The lock is flock(2): the kernel gives it free when
 * the process ends, however it ends, so there is no stale lock to judge and nothing to unlock by hand.
 * Node.js has no flock, so util-linux's flock(1) takes it on a descriptor that we share with it and keep.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { SessiondError, systemErrorCode } from "../../../error.ts";

export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the lock of a directory. It is on the directory itself, so deleting a file does not undo it; the file
 * at `note` only tells others who holds it.
 *
 * @throws SessiondError `directory_locked`, naming the holder; `storage_failed` where locks cannot be taken
 */
export function lockDirectory(directory: string, note: string): DirectoryLock {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { status, error, stderr } = spawnSync("flock", ["--nonblock", "3"], {
      stdio: ["ignore", "ignore", "pipe", fd],
    });
    if (error !== undefined) {
      const why =
        systemErrorCode(error) === "ENOENT" ? "flock(1) of util-linux is not installed" : error.message;
      throw new SessiondError("storage_failed", `cannot lock ${directory}: ${why}`, { cause: error });
    }
    if (status === 1) {
      const message = `${directory} is in use by ${holder(note)}; stop it, or talk to it over its socket`;
      throw new SessiondError("directory_locked", message);
    }
    if (status !== 0) {
      throw new SessiondError("storage_failed", `cannot lock ${directory}: ${stderr.toString().trim()}`);
    }
    leaveNote(note);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { release: () => closeSync(fd) };
}

function leaveNote(path: string): void {
  rmSync(path, { force: true });
  const note = { pid: process.pid, host: hostname(), program: process.argv[1] ?? "node" };
  writeFileSync(path, JSON.stringify(note), { flag: "wx", mode: 0o640 });
}

function holder(note: string): string {
  try {
    const { pid, host, program } = JSON.parse(readFileSync(note, "utf8"));
    return `process ${pid} on ${host} (${program})`;
  } catch {
    return "another process";
  }
}
