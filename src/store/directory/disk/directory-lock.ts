/** One process per sessions directory, by a lock that is never stale and need not be removed by hand. */
import { constants } from "node:fs";
import { hostname } from "node:os";
import { SessiondError } from "../../../error.ts";
import { tryLock } from "../../../files/flock.ts";
import type { FileSystem } from "./file-system.ts";
import { inTheWay } from "./own-directories.ts";
import { whyOdd } from "./state-files.ts";

const mostNoteBytes = 65_536n;

export interface DirectoryLock {
  release(): void;
}

/**
 * Takes the lock of a directory. The lock is on the directory itself, so that deleting a file does not undo
 * it. The file at `note` only tells other processes who holds the lock.
 *
 * @throws SessiondError `directory_locked`, naming the holder; `storage_failed` where locks cannot be taken
 */
export function lockDirectory(fs: FileSystem, directory: string, note: string): DirectoryLock {
  const fd = fs.openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    if (!take(fd, directory)) {
      const message = `${directory} is in use by ${holder(fs, note)}; stop it, or talk to it over its socket`;
      throw new SessiondError("directory_locked", message);
    }
    leaveNote(fs, note);
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
  return { release: () => fs.closeSync(fd) };
}

function take(fd: number, directory: string): boolean {
  try {
    return tryLock(fd);
  } catch (error) {
    const why = (error as Error).message;
    throw new SessiondError("storage_failed", `cannot lock ${directory}: ${why}`, { cause: error });
  }
}

function leaveNote(fs: FileSystem, path: string): void {
  if (fs.lstatSync(path)?.isDirectory()) throw inTheWay(path, "a directory", "a file");
  fs.rmSync(path, { recursive: true, force: true });
  const note = { pid: process.pid, host: hostname(), program: process.argv[1] ?? "node" };
  fs.writeFileSync(path, JSON.stringify(note), { flag: "wx", mode: 0o640, flush: false });
}

function holder(fs: FileSystem, note: string): string {
  try {
    if (whyOdd(fs, note, mostNoteBytes) !== undefined) return "another process";
    const { pid, host, program } = JSON.parse(fs.readFileSync(note).toString());
    return `process ${pid} on ${host} (${program})`;
  } catch {
    return "another process";
  }
}
