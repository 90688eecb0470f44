import { readFileSync } from "node:fs";

/** Kept free of connections for the journal, documents, backups and the watcher: they must not fail for EMFILE. */
const reserved = 128;

/** How many connections may be open at once: what is wanted, as far as the process has descriptors for it. */
export function connectionLimit(wanted: number, descriptors: number = descriptorLimit()): number {
  const spare = descriptors - Math.min(reserved, Math.ceil(descriptors / 2));
  return Math.max(1, Math.min(wanted, spare));
}

/** The soft limit of open files of this process; Infinity where the system does not tell. */
function descriptorLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "utf8");
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
