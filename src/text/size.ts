/**
 * Sizes in bytes, read from the configuration and written for people.
 *
 * The room text/ owns small pieces of text: sizes, shell quoting. It knows nothing of sessions.
 */
const bytesPerUnit = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, kB: 1000, MB: 1e6, GB: 1e9 } as const;

/** Thrown for text that is not a size. The message is for the person who wrote it. */
export class SizeError extends Error {}

/** Reads a size such as `64MiB`, `500kB` or `1048576B` as whole bytes. @throws SizeError */
export function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  const unit = match?.[2] ?? "";
  if (match === null || !Object.hasOwn(bytesPerUnit, unit)) {
    throw new SizeError(
      `"${text}" is not a size: write a number and B, KiB, MiB, GiB, kB, MB or GB, such as 64MiB`,
    );
  }
  const bytes = Math.round(Number(match[1]) * bytesPerUnit[unit as keyof typeof bytesPerUnit]);
  if (bytes > Number.MAX_SAFE_INTEGER)
    throw new SizeError(`"${text}" is too large: write at most 8000000GiB`);
  return bytes;
}

/**
 * Formats whole bytes in the largest unit that is exact: `16KiB`. {@link parseSize} reads the same number.
 */
export function formatExactSize(bytes: number): string {
  const unit = exactUnits.find((candidate) => bytes > 0 && bytes % bytesPerUnit[candidate] === 0) ?? "B";
  return `${bytes / bytesPerUnit[unit]}${unit}`;
}

const exactUnits = ["GiB", "MiB", "KiB"] as const;

/** Formats bytes for people: `999 B`, `1.5 KiB`, `64.0 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit = 0;
  // From 1023.95 on, rounding to one decimal would give 1024.0 of this unit.
  while (value >= 1023.95 && unit < largeUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${largeUnits[unit]}`;
}

const largeUnits = ["KiB", "MiB", "GiB", "TiB"];
