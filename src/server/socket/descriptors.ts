/** The limit of connections that follows from the limit of open files. */
import { readFileSync } from "node:fs";

/** Descriptors that connections must leave free for the store, which must not fail with EMFILE. */
const reserved = 128;

/**
 * The number of connections that may be open at once: `wanted`, or fewer if the limit of open files is too
 * low.
 */
export function connectionLimit(wanted: number, descriptors: number = descriptorLimit()): number {
  const spare = descriptors - Math.min(reserved, Math.ceil(descriptors / 2));
  return Math.max(1, Math.min(wanted, spare));
}

/** The soft limit of open files of this process; Infinity if it is unknown. */
function descriptorLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
