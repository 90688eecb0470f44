/**
 * The limit: reports appended to one file, all that wait in one write, and nothing else. No server, no
 * sessions, callers in one process. Whichever is faster of O_DSYNC and fdatasync is taken.
 */
import { constants, mkdirSync } from "node:fs";
import { type FileHandle, open, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings } from "./peer.ts";

export const journalVariants = ["O_DSYNC", "fdatasync"];

export async function journalLoop({ directory, variant }: PeerSettings): Promise<Peer> {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "loop.log");
  const withSync = variant === "O_DSYNC" ? constants.O_DSYNC : 0;
  const handle = await open(path, constants.O_CREAT | constants.O_WRONLY | constants.O_APPEND | withSync);
  const loop = new Loop(handle, variant === "fdatasync");
  return {
    open: async (session) => {
      const end = `,"session":"${session}"}\n`;
      return {
        report: (file) => loop.append(`${JSON.stringify(progressOf(file)).slice(0, -1)}${end}`),
        async settle() {},
        stored: async () => (await readFile(path, "utf8")).split(end).length - 1,
        async close() {},
      };
    },
    clear: () => truncate(path),
    close: () => handle.close(),
  };
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
    // Callers of the same turn share the write.
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
