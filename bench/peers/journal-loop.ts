/**
 * The limit of what a journal can do: reports are appended to one file, and one write takes all that wait.
 * There is no server and no session; the callers are in the same process. The faster of O_DSYNC and fdatasync
 * is used.
 */
import { constants, mkdirSync } from "node:fs";
import { type FileHandle, open, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings } from "./peer.ts";

export const journalVariants = ["O_DSYNC", "fdatasync"];

export async function journalLoop({ directory, variant }: PeerSettings): Promise<Peer> {
  const { loop, handle } = await openLoop(directory, variant);
  return {
    open: async (session) => ({
      report: (file) => loop.append(lineOf(JSON.stringify(progressOf(file)), session)),
      async finishDeferred() {},
      stored: () => linesOf(directory, session),
      async close() {},
    }),
    clear: () => truncate(logOf(directory)),
    close: () => handle.close(),
  };
}

export function logOf(directory: string): string {
  return join(directory, "loop.log");
}

/** A report and the session that it belongs to. */
export function lineOf(report: string, session: string): string {
  return `${report.slice(0, -1)}${endOf(session)}`;
}

export async function linesOf(directory: string, session: string): Promise<number> {
  return (await readFile(logOf(directory), "utf8")).split(endOf(session)).length - 1;
}

function endOf(session: string): string {
  return `,"session":"${session}"}\n`;
}

export async function openLoop(directory: string, variant: string) {
  mkdirSync(directory, { recursive: true });
  const withSync = variant === "O_DSYNC" ? constants.O_DSYNC : 0;
  const flags = constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND | withSync;
  const handle = await open(logOf(directory), flags);
  return { loop: new Loop(handle, variant === "fdatasync"), handle };
}

class Loop {
  readonly #handle: FileHandle;
  readonly #datasync: boolean;
  #lines: string[] = [];
  #batch = newBatch();
  #running = false;

  constructor(handle: FileHandle, datasync: boolean) {
    this.#handle = handle;
    this.#datasync = datasync;
  }

  append(line: string): Promise<void> {
    this.#lines.push(line);
    if (!this.#running) {
      this.#running = true;
      void this.#write();
    }
    return this.#batch.done;
  }

  async #write(): Promise<void> {
    // Callers in the same turn of the event loop share the write.
    await undefined;
    while (this.#lines.length > 0) {
      const bytes = Buffer.from(this.#lines.join(""));
      const { resolve, reject } = this.#batch;
      this.#lines = [];
      this.#batch = newBatch();
      try {
        const { bytesWritten } = await this.#handle.write(bytes);
        if (bytesWritten < bytes.length) throw new Error("a short write");
        if (this.#datasync) await this.#handle.datasync();
        resolve();
      } catch (error) {
        reject(error);
      }
    }
    this.#running = false;
  }
}

function newBatch() {
  let resolve: () => void = () => {};
  let reject: (error: unknown) => void = () => {};
  const done = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { done, resolve, reject };
}
