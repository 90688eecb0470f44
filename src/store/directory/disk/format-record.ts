/**
 * The format of what a directory holds, so that a program that does not know the format leaves the directory
 * alone. The number grows when an older program would lose or misread something, and not when it can skip
 * what is new.
 */
import { join } from "node:path";
import { SessiondError, systemErrorCode } from "../../../error.ts";
import { shellQuote } from "../../../text/shell-quote.ts";
import { version } from "../../../version.ts";
import type { FileSystem } from "./file-system.ts";
import { type OwnDirectories, syncDirectory } from "./own-directories.ts";
import { whyOdd } from "./state-files.ts";

/**
 * The format that this program writes. A directory without a record has format 1; format 2 has a journal of
 * reports; in format 3 a session may have several leases, whose claims are in the journal.
 */
export const format = 3;

const recordName = "format.json";
const mostBytes = 65_536n;

interface FormatRecord {
  format: number;
  /** The program that was the first to write this format here. */
  written_by?: string;
}

/** @throws SessiondError `directory_too_new`; `storage_failed` for a record that cannot be read */
export function assertKnownFormat(fs: FileSystem, own: OwnDirectories): void {
  const found = readRecord(fs, own);
  if (found === undefined || found.format <= format) return;
  throw new SessiondError(
    "directory_too_new",
    `${own.base} was written by ${found.written_by ?? "another version"} in format ${found.format}, ` +
      `and sessiond ${version} reads formats up to ${format}; nothing was changed: ` +
      "install that version or a newer one, or choose another directory",
  );
}

/** Makes the format durable before anything is written in it. Only the holder of the lock may. */
export function recordFormat(fs: FileSystem, own: OwnDirectories): void {
  if (readRecord(fs, own)?.format === format) return;
  const record: FormatRecord = { format, written_by: `sessiond ${version}` };
  const staged = join(own.staging, recordName);
  fs.writeFileSync(staged, `${JSON.stringify(record)}\n`, { mode: 0o640, flag: "w", flush: true });
  fs.renameSync(staged, join(own.base, recordName));
  syncDirectory(fs, own.base);
}

function readRecord(fs: FileSystem, own: OwnDirectories): FormatRecord | undefined {
  const path = join(own.base, recordName);
  const why = whyOdd(fs, path, mostBytes) ?? read(fs, path);
  if (typeof why !== "string") return why;
  // With a guess, the data of a newer program could be taken for garbage.
  const message =
    `${path} does not say which format the directory has (it ${why}), so nothing was changed; restore it from ` +
    "a backup. If no newer version of sessiond has used this directory: " +
    `mv ${shellQuote(path)} ${shellQuote(`${path}.moved`)} && ` +
    `echo '{"format": ${format}}' > ${shellQuote(path)}`;
  throw new SessiondError("storage_failed", message);
}

/** The record, undefined if there is none, or why it cannot be read. */
function read(fs: FileSystem, path: string): FormatRecord | undefined | string {
  try {
    const record = JSON.parse(fs.readFileSync(path).toString()) as FormatRecord | null;
    return Number.isSafeInteger(record?.format) && (record as FormatRecord).format > 0
      ? (record as FormatRecord)
      : "holds something else";
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    return systemErrorCode(error) === undefined
      ? "is not JSON"
      : `cannot be read: ${(error as Error).message}`;
  }
}
