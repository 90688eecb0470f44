const msPerUnit = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Why a text is not a duration, in words for the person who wrote it. */
export class DurationError extends Error {}

/**
 * Reads `500ms`, `30s`, `7min`, `12h`, `30d`, `2w`, or a sum such as `1h30min`, as milliseconds. A bare
 * `m` is refused because it means minutes to some and months to others.
 *
 * @throws DurationError
 */
export function parseDuration(text: string): number {
  const trimmed = text.trim();
  if (trimmed === "0") return 0;
  const parts = [...trimmed.matchAll(/(\d+(?:\.\d+)?)\s*([A-Za-zµ]*)\s*/gy)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== trimmed) {
    throw new DurationError(
      `"${text}" is not a duration: write a number and a unit, such as 30s, 7min, 12h or 30d`,
    );
  }
  let total = 0;
  for (const [, amount, unit] of parts) {
    if (unit === "")
      throw new DurationError(
        `"${text}" has no unit: write ${amount}s, ${amount}min, ${amount}h or ${amount}d`,
      );
    if (unit === "m" || unit === "M") {
      throw new DurationError(
        `"${text}" is ambiguous (minutes or months?): write ${amount}min for minutes or ${Number(amount) * 30}d for months`,
      );
    }
    const ms = Object.hasOwn(msPerUnit, unit as string)
      ? msPerUnit[unit as keyof typeof msPerUnit]
      : undefined;
    if (ms === undefined)
      throw new DurationError(`"${text}" has an unknown unit "${unit}": use ms, s, min, h, d or w`);
    total += Number(amount) * ms;
  }
  if (!Number.isFinite(total) || total > Number.MAX_SAFE_INTEGER / 1000) {
    throw new DurationError(`"${text}" is too long`);
  }
  return Math.round(total);
}

/** Writes milliseconds the way {@link parseDuration} reads them, with the largest unit that is exact. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  for (const unit of ["w", "d", "h", "min", "s"] as const) {
    if (unit !== "w" && ms % msPerUnit[unit] === 0) return `${ms / msPerUnit[unit]}${unit}`;
  }
  return `${ms}ms`;
}
