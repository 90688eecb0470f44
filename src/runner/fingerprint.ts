/**
 * Records what a file was like before and after its command, so that a later run can tell whether it has
 * changed since.
 */
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
  /** It is as it was before its command, or as the command left it. */
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

export interface TakeOptions {
  /** Whether to hash large files too. */
  readonly alwaysHash: boolean;
  /** A fingerprint of the same path; it is returned as it is if the times show that it still holds. */
  readonly earlier?: Fingerprint | undefined;
  readonly nowMs?: number;
}

/** The fingerprint of a file; undefined for a path that is no regular file or cannot be examined. */
export async function takeFingerprint(
  path: string,
  { alwaysHash, earlier, nowMs = Date.now() }: TakeOptions,
): Promise<Fingerprint | undefined> {
  const stats = examine(path);
  if (!isFile(stats)) return undefined;
  const { size, mtimeMs, ctimeMs, ino } = stats;
  if (earlier !== undefined && hasSameTimes(stats, earlier)) return earlier;
  const print = {
    size,
    mtime_ms: mtimeMs,
    ...(mayChangeUnseen(ctimeMs, nowMs) ? {} : { ctime_ms: ctimeMs, ino }),
  };
  if (size > maxHashedSize && !alwaysHash) return print;
  const sha256 = await hashOf(path, size);
  return sha256 === undefined ? print : { ...print, sha256 };
}

/** Whether both fingerprints are known to be of the same content. */
export function hasSameContent(one: Fingerprint | undefined, other: Fingerprint | undefined): boolean {
  if (one === other) return true;
  return one?.sha256 !== undefined && one.size === other?.size && one.sha256 === other.sha256;
}

/** Whether a change that follows may get the same time as the last one, in one step of the clock. */
function mayChangeUnseen(ctimeMs: number, nowMs: number): boolean {
  // A file system with coarse times has whole seconds only.
  return nowMs - ctimeMs < (ctimeMs % 1000 === 0 ? coarseStepMs : fineStepMs);
}

/**
 * Compares a file with its recorded fingerprints, from before and after its command; to be like one of them
 * is enough. The times are trusted only if all are as they were, and could not have stayed so through a
 * change; else the content decides.
 */
export async function compare(
  path: string,
  ...recorded: readonly (JsonValue | undefined)[]
): Promise<Comparison> {
  const stats = examine(path);
  const prints = recorded.filter(isJsonObject);
  if (typeof stats === "string") return withoutStats(stats, prints.length > 0);
  if (!stats.isFile()) {
    if (prints.length > 0) return { kind: "changed", what: "it is no regular file any more" };
    return { kind: stats.isDirectory() ? "directory" : "no_file" };
  }
  if (prints.length === 0) return { kind: "unknown" };
  if (prints.some((print) => hasSameTimes(stats, print))) return { kind: "unchanged" };
  const alike = prints.filter(({ size }) => Number(size) === stats.size);
  if (alike.length === 0) return { kind: "changed", what: "size" };
  const hashes = alike.flatMap(({ sha256 }) => (typeof sha256 === "string" ? [sha256] : []));
  if (hashes.length > 0) {
    const hash = await hashOf(path, stats.size);
    if (hash === undefined) return { kind: "changed", what: "it cannot be read" };
    if (hashes.includes(hash)) return { kind: "unchanged" };
  }
  if (hashes.length === alike.length) return { kind: "changed", what: "content" };
  const mayBeSame = alike.some(
    ({ sha256, mtime_ms }) => typeof sha256 !== "string" && Number(mtime_ms) === stats.mtimeMs,
  );
  return mayBeSame ? { kind: "unknown" } : { kind: "changed", what: "modification time" };
}

function withoutStats(code: string, wasFile: boolean): Comparison {
  if (code === "ENOENT" || code === "ENOTDIR") return { kind: wasFile ? "gone" : "no_file" };
  // The name can be that of no file.
  if (code.startsWith("ERR_") || code === "ENAMETOOLONG") return { kind: "no_file" };
  // Its command will report that.
  return { kind: "changed", what: `it cannot be examined (${code})` };
}

/** Whether size, times and inode are those of the fingerprint, which has all of them. */
function hasSameTimes(stats: Stats, { size, mtime_ms, ctime_ms, ino }: Fingerprint | JsonObject): boolean {
  if (ctime_ms === undefined || ino === undefined) return false;
  return (
    Number(size) === stats.size &&
    Number(mtime_ms) === stats.mtimeMs &&
    Number(ctime_ms) === stats.ctimeMs &&
    Number(ino) === stats.ino
  );
}

/** The code of the error if the path cannot be examined. */
function examine(path: string): Stats | string {
  try {
    // An error object costs more than the look.
    return statSync(path, { throwIfNoEntry: false }) ?? "ENOENT";
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
