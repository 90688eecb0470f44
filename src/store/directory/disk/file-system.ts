/**
 * The seam between the store and the file system: the operations that the store uses, and no others. Names
 * and meaning are those of `node:fs`, narrowed to what is needed. Everything that the store does to a file
 * goes through this interface, so that a test can make any operation fail. Only the watcher and flock(1)
 * reach the file system without it.
 */
import type { BigIntStats } from "node:fs";
import type { Identity } from "./session-file.ts";

export interface FileSystem {
  /** What is at a path, links not followed; undefined if nothing is. */
  lstatSync(path: string): BigIntStats | undefined;
  /** What is at a path, links followed. @throws ENOENT */
  statSync(path: string): BigIntStats;
  realpathSync(path: string): string;
  readdirSync(path: string): string[];
  /** A directory, to be read one name after another; `bufferSize` names at a time are fetched. */
  opendirSync(path: string, options: { bufferSize: number }): OpenDirectory;
  /**
   * Makes a directory and those above it. Returns the first one that was made; undefined if there was nothing
   * to do.
   */
  mkdirSync(path: string, options: { recursive: true; mode: number }): string | undefined;
  /** Takes away whatever is at a path, if anything is. */
  rmSync(path: string, options: { recursive: true; force: true }): void;

  renameSync(from: string, to: string): void;
  linkSync(from: string, to: string): void;
  unlinkSync(path: string): void;
  /** For what may be large, and so take a while. */
  unlink(path: string): Promise<void>;

  openSync(path: string, flags: number, mode?: number): number;
  fstatSync(descriptor: number): BigIntStats;
  readSync(descriptor: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  writeSync(descriptor: number, buffer: Uint8Array, offset: number, length: number, position: number): number;
  fsyncSync(descriptor: number): void;
  closeSync(descriptor: number): void;
  open(path: string, flags: number, mode?: number): Promise<OpenFile>;

  readFileSync(path: string): Buffer;
  readFile(path: string): Promise<Buffer>;
  /** `flush` syncs the file. */
  writeFileSync(
    path: string,
    data: string | Uint8Array,
    options: { mode: number; flag: "w" | "wx"; flush: boolean },
  ): void;
  /** Writes a whole file and syncs it. May report success after a short write: callers compare the size. */
  writeSynced(path: string, bytes: Uint8Array, mode: number): Promise<void>;

  /** Begins a thread that looks at many files; undefined where the system allows no more threads. */
  startStatThread(): StatThread | undefined;
}

/** What is used of a `FileHandle`. */
export interface OpenFile {
  readonly fd: number;
  stat(): Promise<{ size: number }>;
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(
    buffer: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  appendFile(text: string): Promise<void>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** Looks at many files beside the main thread. */
export interface StatThread {
  /** Whether it has begun, and has not ended. */
  readonly isReady: boolean;
  /**
   * Resolves with the identities of regular files, in the order of the paths; empty for what is none or
   * cannot be looked at. Undefined if the thread has ended.
   */
  identities(paths: readonly string[]): Promise<Identity[] | undefined>;
  close(): Promise<void>;
}

/** What is used of a `Dir`. */
export interface OpenDirectory {
  readSync(): { name: string } | null;
  closeSync(): void;
}
