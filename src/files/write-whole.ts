/**
 * Writes all of the bytes to an open file, or fails.
 *
 * The room files/ owns writing so that nothing is cut short in silence, and making directories. It does not
 * know what is written.
 */
import { writeSync } from "node:fs";

/**
 * The system may take only a part of the bytes, as when the disk is nearly full, and call that a success. The
 * next write then says what is wrong.
 *
 * @throws the error of the system, when a part may have been written
 */
export function writeWhole(fd: number, data: string | Uint8Array): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
