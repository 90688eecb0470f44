/**
 * The log of a daemon on demand: a file in the store, and the one before it. Neither grows without end.
 */
import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { systemErrorCode } from "../error.ts";

/** A file that would become larger becomes the earlier one. */
const mostBytes = 1024 * 1024;
const standardError = 2;

interface OpenFile {
  fd: number;
  bytes: number;
}

export class LogFile {
  #path: string | undefined;
  #file: OpenFile | undefined;

  /** Begins to write below a store. Only for the holder of its lock: nobody else may replace the files. */
  begin(store: string): void {
    this.#path = join(store, ".sessiond", "sessiond.log");
  }

  /** What was written before {@link begin} goes to standard error, as does the rest. */
  giveUp(): void {
    if (this.#path === undefined) this.#file = { fd: standardError, bytes: Number.NEGATIVE_INFINITY };
  }

  /**
   * Writes the bytes or the first of them, and returns how many.
   *
   * @throws EAGAIN before {@link begin}; the errors of the system
   */
  write(bytes: Uint8Array): number {
    let file = this.#file ?? this.#open();
    if (file.bytes > 0 && file.bytes + bytes.length > mostBytes) file = this.#openNext(file.fd);
    const count = writeSync(file.fd, bytes);
    file.bytes += count;
    return count;
  }

  #openNext(fd: number): OpenFile {
    if (this.#path !== undefined) keepAsEarlier(this.#path);
    this.#file = undefined;
    closeSync(fd);
    return this.#open();
  }

  #open(): OpenFile {
    if (this.#path === undefined) throw Object.assign(new Error("the log has not begun"), { code: "EAGAIN" });
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    const fd = openSync(this.#path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o640);
    this.#file = { fd, bytes: fstatSync(fd).size };
    return this.#file;
  }
}

/** Somebody may have removed the file. */
function keepAsEarlier(path: string): void {
  try {
    renameSync(path, `${path}.1`);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") throw error;
  }
}
