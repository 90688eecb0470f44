/** Names the files that get the whole output of each file: `DIR/NAME/stdout`, `stderr` and `seq`. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemErrorCode } from "../error.ts";
import { exhaustion, OwnTrouble } from "./own-trouble.ts";

/** File systems allow 255 bytes; this leaves some room. */
const maxName = 200;

/**
 * The directory name for a file: the file's name, with every byte except letters, digits and `. _ - + , = @`
 * written as `%` and two hexadecimal digits. So no name leaves the directory, and no two files share one. A
 * long name is cut and ends with a digest of the whole name.
 */
export function directoryName(file: string): string {
  const escaped = Array.from(Buffer.from(file), (byte) => {
    const character = String.fromCharCode(byte);
    return /[A-Za-z0-9._+,=@-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
  const safe = /^\.+$/.test(escaped) ? escaped.replaceAll(".", "%2E") : escaped;
  if (safe.length <= maxName) return safe;
  // "%~" occurs only in names that were cut, so a cut name never equals another file's name.
  return `${safe.slice(0, maxName - 34)}%~${createHash("sha256").update(file).digest("hex").slice(0, 32)}`;
}

/**
 * Creates the directory for a file's output, in the results directory that the start of the run has made.
 *
 * @throws OwnTrouble
 */
export function resultFiles(
  directory: string,
  file: string,
  seq: number,
): { stdout: string; stderr: string } {
  const place = join(directory, directoryName(file));
  try {
    makeDirectory(place);
    writeFileSync(join(place, "seq"), `${seq}\n`);
  } catch (error) {
    if (existsSync(directory)) {
      const why = `cannot write to the results directory ${directory}: ${(error as Error).message}`;
      throw exhaustion(error) ?? new OwnTrouble(why, { cause: error });
    }
    // It is not made again: earlier output was in it, or it was a disk that is not mounted any more.
    throw new OwnTrouble(`the results directory ${directory} is gone`, { cause: error });
  }
  return { stdout: join(place, "stdout"), stderr: join(place, "stderr") };
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== "EEXIST") throw error;
  }
}
