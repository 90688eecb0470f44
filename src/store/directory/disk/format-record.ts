/**
 * Which format the state of a directory has, so that a program that does not know it leaves it alone. It is counted
 * up when an older program would lose or misread something, and not for what it can pass over.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SessiondError, systemErrorCode } from "../../../error.ts";
import { version } from "../../../version.ts";
import type { OwnDirectories } from "./own-directories.ts";

/** What this program reads and writes. Directories without a record are of format 1; 2 has a journal of reports. */
export const format = 2;

const recordName = "format.json";

interface FormatRecord {
  format: number;
  /** The program that was the first to write this format here. */
  written_by: string;
}

/** @throws SessiondError `directory_too_new`; `storage_failed` for a record that cannot be read */
export function assertKnownFormat(own: OwnDirectories): void {
  const found = readRecord(own);
  if (found === undefined || found.format <= format) return;
  throw new SessiondError(
    "directory_too_new",
    `${own.base} was written by ${found.written_by} in format ${found.format}, and sessiond ${version} knows formats up to ${format}: nothing was touched; install that version or a newer one, or choose another directory`,
  );
}

/** Makes the format durable before anything is written in it. Only the holder of the lock may. */
export function recordFormat(own: OwnDirectories): void {
  if (readRecord(own)?.format === format) return;
  const record: FormatRecord = { format, written_by: `sessiond ${version}` };
  const staged = join(own.staging, recordName);
  writeFileSync(staged, `${JSON.stringify(record)}\n`, { mode: 0o640, flush: true });
  renameSync(staged, join(own.base, recordName));
  const directory = openSync(own.base, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function readRecord(own: OwnDirectories): FormatRecord | undefined {
  const path = join(own.base, recordName);
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as FormatRecord;
    if (Number.isSafeInteger(record.format) && record.format > 0) return record;
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    if (systemErrorCode(error) !== undefined) throw error;
  }
  // A guess could take the work of a newer program for garbage.
  const message = `${path} does not say which format the directory has; restore it from a backup, or write {"format": N} into it`;
  throw new SessiondError("storage_failed", message);
}
