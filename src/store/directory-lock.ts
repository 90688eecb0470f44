/**
 * One process per sessions directory. The lock is flock(2) on a file that stays: the kernel gives it free when
 * the process ends, however it ends, so there is no stale lock to judge and nothing to unlock by hand.
 * Node.js has no flock, so util-linux's flock(1) takes it on a descriptor that we share with it and keep.
 */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { SessiondError, systemErrorCode } from "../error.ts";

export interface DirectoryLock {
  release(): void;
}

/** @throws SessiondError `directory_locked`, naming the holder; `storage_failed` where locks cannot be taken */
export function lockDirectory(path: string, directory: string): DirectoryLock {
  const fd = openSync(path, "a+", 0o640);
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
      throw new SessiondError(
        "directory_locked",
        `${directory} is in use by ${holder(path)}; stop it, or talk to it over its socket`,
      );
    }
    if (status !== 0) {
      throw new SessiondError("storage_failed", `cannot lock ${directory}: ${stderr.toString().trim()}`);
    }
    ftruncateSync(fd);
    writeSync(
      fd,
      JSON.stringify({ pid: process.pid, host: hostname(), program: process.argv[1] ?? "node" }),
      0,
    );
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { release: () => closeSync(fd) };
}

function holder(path: string): string {
  try {
    const { pid, host, program } = JSON.parse(readFileSync(path, "utf8"));
    return `process ${pid} on ${host} (${program})`;
  } catch {
    return "another process";
  }
}
