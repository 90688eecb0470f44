const bytesPerUnit = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, kB: 1000, MB: 1e6, GB: 1e9 } as const;

export class SizeError extends Error {}

/** Reads a size such as `64MiB`, `500kB` or `1048576B` as bytes. @throws SizeError */
export function parseSize(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  const unit = match?.[2] ?? "";
  if (match === null || !Object.hasOwn(bytesPerUnit, unit)) {
    throw new SizeError(
      `"${text}" is not a size: write a number and B, KiB, MiB, GiB, kB, MB or GB, such as 64MiB`,
    );
  }
  return Math.round(Number(match[1]) * bytesPerUnit[unit as keyof typeof bytesPerUnit]);
}

/** Writes bytes for people: `999 B`, `1.5 KiB`, `64.0 MiB`. */
export function formatSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes} B` : `${value.toFixed(1)} ${units[unit]}`;
}
