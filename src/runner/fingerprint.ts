/** Records what a file was like when its command ran, so that a later run can tell whether it has changed. */
import { createHash } from "node:crypto";
import { createReadStream, readFileSync, type Stats, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { systemErrorCode } from "../error.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";

export interface Fingerprint {
  size: number;
  /** Milliseconds since 1970, with a fraction. Anybody can set this time. */
  mtime_ms: number;
  /** The time of the last change, which nobody can set back. Left out if the file had just been changed. */
  ctime_ms?: number;
  /** Tells a file from another one that takes its place. Left out together with `ctime_ms`. */
  ino?: number;
  /** Hash of the content; left out for large files unless requested. */
  sha256?: string;
}

/** What became of a file since its result was recorded. */
export type Comparison =
  | { readonly kind: "unchanged" }
  | { readonly kind: "changed"; readonly what: string }
  /** It may have changed: its result has no hash. */
  | { readonly kind: "unknown" }
  | { readonly kind: "gone" }
  /** Its content is not compared. */
  | { readonly kind: "directory" }
  /** A name that is not that of a regular file, and was not when the result was recorded. */
  | { readonly kind: "no_file" };

/** Up to this size a synchronous read costs less than starting a command. */
const smallSize = 256 * 1024;
/** Larger files are hashed only when requested. */
const maxHashedSize = 16 * 1024 * 1024;
/** The clock of a file system moves in steps of some milliseconds, or of up to two seconds. */
const fineStepMs = 100;
const coarseStepMs = 2100;

/** Undefined for a path that is no regular file or cannot be examined. */
export async function takeFingerprint(
  path: string,
  { alwaysHash, nowMs = Date.now() }: { alwaysHash: boolean; nowMs?: number },
): Promise<Fingerprint | undefined> {
  const stats = examine(path);
  if (!isFile(stats)) return undefined;
  const { size, mtimeMs, ctimeMs, ino } = stats;
  const print = {
    size,
    mtime_ms: mtimeMs,
    ...(mayChangeUnseen(ctimeMs, nowMs) ? {} : { ctime_ms: ctimeMs, ino }),
  };
  if (size > maxHashedSize && !alwaysHash) return print;
  const sha256 = await hashOf(path, size);
  return sha256 === undefined ? print : { ...print, sha256 };
}

/** Whether a change that follows may get the same time as the last one, in one step of the clock. */
function mayChangeUnseen(ctimeMs: number, nowMs: number): boolean {
  // A file system with coarse times has whole seconds only.
  return nowMs - ctimeMs < (ctimeMs % 1000 === 0 ? coarseStepMs : fineStepMs);
}

/**
 * Compares a file with its recorded fingerprint. The times are trusted only if all are as they were, and
 * could not have stayed so through a change; else the content decides.
 */
export async function compare(path: string, recorded: JsonValue | undefined): Promise<Comparison> {
  const stats = examine(path);
  const print = isJsonObject(recorded) ? recorded : undefined;
  if (typeof stats === "string") return withoutStats(stats, print);
  if (!stats.isFile()) {
    if (print !== undefined) return { kind: "changed", what: "it is no regular file any more" };
    return { kind: stats.isDirectory() ? "directory" : "no_file" };
  }
  if (print === undefined) return { kind: "unknown" };
  if (Number(print.size) !== stats.size) return { kind: "changed", what: "size" };
  if (hasSameTimes(stats, print)) return { kind: "unchanged" };
  if (typeof print.sha256 !== "string") {
    const isSame = Number(print.mtime_ms) === stats.mtimeMs;
    return isSame ? { kind: "unknown" } : { kind: "changed", what: "modification time" };
  }
  const hash = await hashOf(path, stats.size);
  if (hash === undefined) return { kind: "changed", what: "it cannot be read" };
  return hash === print.sha256 ? { kind: "unchanged" } : { kind: "changed", what: "content" };
}

function withoutStats(code: string, print: JsonObject | undefined): Comparison {
  if (code === "ENOENT" || code === "ENOTDIR") return { kind: print === undefined ? "no_file" : "gone" };
  // The name can be that of no file.
  if (code.startsWith("ERR_") || code === "ENAMETOOLONG") return { kind: "no_file" };
  // Its command will report that.
  return { kind: "changed", what: `it cannot be examined (${code})` };
}

function hasSameTimes({ mtimeMs, ctimeMs, ino }: Stats, print: JsonObject): boolean {
  if (print.ctime_ms === undefined || print.ino === undefined) return false;
  return (
    Number(print.mtime_ms) === mtimeMs && Number(print.ctime_ms) === ctimeMs && Number(print.ino) === ino
  );
}

/** The code of the error if the path cannot be examined. */
function examine(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return systemErrorCode(error) ?? "unknown error";
  }
}

function isFile(stats: Stats | string): stats is Stats {
  return typeof stats !== "string" && stats.isFile();
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
