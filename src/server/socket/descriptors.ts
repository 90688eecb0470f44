/** The limit of connections that follows from the limit of open files. */
import { softLimit } from "../../host/process-limits.ts";

/** Descriptors that connections must leave free for the store, which must not fail with EMFILE. */
const reserved = 128;

/**
 * The number of connections that may be open at once: `wanted`, or fewer if the limit of open files is too
 * low.
 */
export function connectionLimit(wanted: number, descriptors: number = softLimit("Max open files")): number {
  const spare = descriptors - Math.min(reserved, Math.ceil(descriptors / 2));
  return Math.max(1, Math.min(wanted, spare));
}
