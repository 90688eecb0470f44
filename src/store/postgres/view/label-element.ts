/** A label as an element of the column `labels`. Pure. */
import { createHash } from "node:crypto";

/** An entry of a GIN index holds at most a third of a page, which is 2.7 kB. */
const longestBytes = 500;

/**
 * The element for a label. Equal for equal labels, different for different ones: JSON keeps key and value
 * apart, and writes what PostgreSQL's text cannot hold as an escape. A long label is known by its SHA-256.
 */
export function labelElement(key: string, value: string): string {
  const element = JSON.stringify([key, value]);
  if (Buffer.byteLength(element) <= longestBytes) return element;
  return createHash("sha256").update(element).digest("hex");
}
