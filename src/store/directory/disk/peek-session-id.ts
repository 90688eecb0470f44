/** Finds out whose document a file holds, from its beginning if that tells: a document may be large. */
import { constants } from "node:fs";
import { systemErrorCode } from "../../../error.ts";
import { UnreadableError } from "../../document/decode-session.ts";
import type { FileSystem } from "./file-system.ts";
import { readInSlices } from "./read-document.ts";

const headBytes = 4096;
/** Every program that writes sessions has the id as the first key. */
const firstKey = /^\s*\{\s*"session_id"\s*:\s*("(?:[^"\\]|\\.)*")/;

/**
 * The id in a session document; undefined for a file that is gone, or that cannot be read.
 *
 * @throws the file system's error
 */
export async function peekSessionId(fs: FileSystem, path: string): Promise<string | undefined> {
  try {
    return idAtBeginning(fs, path) ?? (await readInSlices(fs, path))?.session.session_id;
  } catch (error) {
    const isGone = ["ENOENT", "ELOOP", "ENXIO", "EACCES", "EPERM"].includes(systemErrorCode(error) ?? "");
    if (isGone || error instanceof UnreadableError) return undefined;
    throw error;
  }
}

function idAtBeginning(fs: FileSystem, path: string): string | undefined {
  const fd = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    if (!fs.fstatSync(fd).isFile()) return undefined;
    const head = Buffer.allocUnsafe(headBytes);
    const text = head.toString("utf8", 0, fs.readSync(fd, head, 0, headBytes, 0));
    const quoted = firstKey.exec(text)?.[1];
    return quoted === undefined ? undefined : parsed(quoted);
  } finally {
    fs.closeSync(fd);
  }
}

function parsed(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
