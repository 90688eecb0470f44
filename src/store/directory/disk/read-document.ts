/** Reads a session document from a path that anybody may have written to. */
import { type BigIntStats, constants } from "node:fs";
import { yieldIfDue } from "../../../async/slices.ts";
import { systemErrorCode } from "../../../error.ts";
import type { Session } from "../../../session/session.ts";
import {
  decodeSession,
  decodeSessionInSlices,
  maxStoredBytes,
  tooLarge,
  UnreadableError,
} from "../../document/decode-session.ts";
import { TargetChanged } from "./durable-files.ts";
import type { FileSystem } from "./file-system.ts";
import { type Identity, identityOf } from "./session-file.ts";

/** A program that writes a file does so at least this often until it is done. */
const recentMs = 2000;

/** How many bytes are read in one go where that is done in slices. */
const pieceBytes = 1024 * 1024;

/** A session document, and the state of the file that it was read from. */
export interface Document {
  session: Session;
  bytes: number;
  mode: number;
  identity: Identity;
}

/**
 * The state of a regular file, or undefined if there is none: links are never followed, pipes never opened.
 */
export function statDocument(fs: FileSystem, path: string): BigIntStats | undefined {
  const stats = fs.lstatSync(path);
  return stats?.isFile() ? stats : undefined;
}

/**
 * Synchronous on purpose: for the small files that sessions are, a round through the thread pool costs many
 * times the read itself. Callers read many files in slices.
 *
 * @throws UnreadableError, or the file system's error
 */
export function readDocument(fs: FileSystem, path: string): Document | undefined {
  const file = readFile(fs, path);
  return file && { session: decodeSession(file.bytes), ...file.facts };
}

/** As `readDocument`, in slices. @throws UnreadableError, or the file system's error */
export async function readInSlices(fs: FileSystem, path: string): Promise<Document | undefined> {
  const file = await readFileInSlices(fs, path);
  return file && { session: await decodeSessionInSlices(file.bytes), ...file.facts };
}

/**
 * As `readInSlices`. Undefined also for a document that cannot be read: it may be half written.
 */
export async function readDocumentInSlices(fs: FileSystem, path: string): Promise<Document | undefined> {
  try {
    return await readInSlices(fs, path);
  } catch (error) {
    if (error instanceof UnreadableError) return undefined;
    throw error;
  }
}

interface FileContent {
  bytes: Uint8Array;
  facts: Omit<Document, "session">;
}

function readFile(fs: FileSystem, path: string): FileContent | undefined {
  const file = openFile(fs, path);
  if (file === undefined) return undefined;
  try {
    let isWhole = false;
    while (!isWhole) isWhole = readPart(fs, file, file.buffer.length);
    return contentOf(file);
  } finally {
    fs.closeSync(file.fd);
  }
}

async function readFileInSlices(fs: FileSystem, path: string): Promise<FileContent | undefined> {
  const file = openFile(fs, path);
  if (file === undefined) return undefined;
  try {
    while (!readPart(fs, file, pieceBytes)) await yieldIfDue();
    return contentOf(file);
  } finally {
    fs.closeSync(file.fd);
  }
}

interface OpenFile {
  fd: number;
  stats: BigIntStats;
  buffer: Buffer;
  /** How many bytes have been read. */
  length: number;
}

/** Undefined if there is no regular file. @throws UnreadableError, or the file system's error */
function openFile(fs: FileSystem, path: string): OpenFile | undefined {
  let fd: number;
  try {
    fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (["ENOENT", "ELOOP", "ENXIO"].includes(systemErrorCode(error) ?? "")) return undefined;
    if (["EACCES", "EPERM"].includes(systemErrorCode(error) ?? ""))
      throw new UnreadableError("sessiond has no permission to read it");
    throw error;
  }
  let file: OpenFile | undefined;
  try {
    const stats = fs.fstatSync(fd);
    if (!stats.isFile()) return undefined;
    if (stats.size > maxStoredBytes) throw new UnreadableError(tooLarge(Number(stats.size)));
    file = { fd, stats, buffer: Buffer.allocUnsafe(Number(stats.size)), length: 0 };
    return file;
  } finally {
    if (file === undefined) fs.closeSync(fd);
  }
}

/** Reads on, at most so many bytes. Returns whether that was the end of the file, as it was when opened. */
function readPart(fs: FileSystem, file: OpenFile, most: number): boolean {
  const { fd, buffer, length } = file;
  const read = fs.readSync(fd, buffer, length, Math.min(most, buffer.length - length), length);
  file.length += read;
  return read === 0 || file.length === buffer.length;
}

function contentOf({ stats, buffer, length }: OpenFile): FileContent {
  const facts = { bytes: length, mode: Number(stats.mode & 0o777n), identity: identityOf(stats) };
  return { bytes: buffer.subarray(0, length), facts };
}

/** Whether a file changed so lately that another program may still be writing it. */
export function isRecent(fs: FileSystem, path: string): boolean {
  const stats = statDocument(fs, path);
  return stats !== undefined && Date.now() - Number(stats.mtimeMs) < recentMs;
}

/** @throws TargetChanged if a file is not in the expected state any more; nothing is checked without one */
export function assertUnchanged(fs: FileSystem, path: string, expected: Identity | undefined): void {
  if (expected !== undefined && !isUnchanged(fs, path, expected)) throw new TargetChanged();
}

/** Whether a file is still in this state. */
export function isUnchanged(fs: FileSystem, path: string, identity: Identity): boolean {
  const stats = statDocument(fs, path);
  return stats !== undefined && identityOf(stats) === identity;
}
