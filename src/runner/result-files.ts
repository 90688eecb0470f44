/** Names the files that get the whole output of each file: `DIR/NAME/stdout`, `stderr` and `seq`. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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

/** Creates the directory for a file's output. @throws the error of the system */
export function resultFiles(
  directory: string,
  file: string,
  seq: number,
): { stdout: string; stderr: string } {
  const place = join(directory, directoryName(file));
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "seq"), `${seq}\n`);
  return { stdout: join(place, "stdout"), stderr: join(place, "stderr") };
}
