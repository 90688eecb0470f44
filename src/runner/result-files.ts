/** Where the whole output of each file goes: `DIR/NAME/stdout`, `stderr` and `seq`. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Systems take names of 255 bytes. */
const maxName = 200;

/**
 * The directory of a file: its name, with every byte but letters, digits and `. _ - + , = @` written as `%` and two
 * hexadecimal digits, so that no name leads out of the directory and no two share one. A long one is cut, and ends with a
 * digest of the name.
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
  // A name that is cut and one that was given this way differ: "%~" is in no other.
  return `${safe.slice(0, maxName - 34)}%~${createHash("sha256").update(file).digest("hex").slice(0, 32)}`;
}

/** Makes the place for a file's output. @throws the system's error */
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
