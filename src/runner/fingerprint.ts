/** Records what a file was like when its command ran, so that a later run can tell whether it has changed. */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, type Stats, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { isJsonObject, type JsonValue } from "../json/exact-json.ts";

export interface Fingerprint {
  size: number;
  /** Milliseconds since 1970, with a fraction. */
  mtime_ms: number;
  /** Hash of the content; left out for large files unless requested. */
  sha256?: string;
}

/** Up to this size a synchronous read costs less than starting a command. */
const smallSize = 256 * 1024;
/** Larger files are hashed only when requested. */
const maxHashedSize = 16 * 1024 * 1024;

/** Undefined for a path that is no regular file or cannot be examined. */
export async function takeFingerprint(
  path: string,
  { alwaysHash }: { alwaysHash: boolean },
): Promise<Fingerprint | undefined> {
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  const print = { size: stats.size, mtime_ms: stats.mtimeMs };
  if (stats.size > maxHashedSize && !alwaysHash) return print;
  const sha256 = await hashOf(path, stats.size);
  return sha256 === undefined ? print : { ...print, sha256 };
}

/**
 * What has changed since the recorded fingerprint, in a word or two; undefined if nothing, or if the file is
 * gone.
 */
export async function changeOf(path: string, recorded: JsonValue | undefined): Promise<string | undefined> {
  const stats = statsOf(path);
  if (stats === undefined) return undefined;
  if (!isJsonObject(recorded)) return "no earlier fingerprint";
  if (Number(recorded.size) !== stats.size) return "size";
  if (Number(recorded.mtime_ms) === stats.mtimeMs) return undefined;
  if (typeof recorded.sha256 !== "string") return "modification time";
  return (await hashOf(path, stats.size)) === recorded.sha256 ? undefined : "content";
}

function statsOf(path: string): Stats | undefined {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats?.isFile() ? stats : undefined;
  } catch {
    // An impossible path, or no permission: the command itself will report that.
    return undefined;
  }
}

async function hashOf(path: string, size: number): Promise<string | undefined> {
  const hash = createHash("sha256");
  try {
    if (size <= smallSize) hash.update(readFileSync(path));
    else await pipeline(createReadStream(path), hash);
    return hash.digest("hex");
  } catch {
    return undefined;
  }
}
