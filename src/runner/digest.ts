/** Short digests, which tell whether two values are the same. */
import { createHash } from "node:crypto";

/** 64 bits of the SHA-256, as 16 hexadecimal digits: enough to tell apart what one person writes. */
export function shortDigest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 16);
}
