const msPerUnit = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Writing uses no weeks: `14d` is read more surely than `2w`. */
const writtenUnits = ["d", "h", "min", "s"] as const;

/** Keeps a time plus a duration exact when it is counted in microseconds: about 285 years. */
const longestMs = Number.MAX_SAFE_INTEGER / 1000;

/** Why a text is not a duration, in words for the person who wrote it. */
export class DurationError extends Error {}

/**
 * Reads `500ms`, `30s`, `7min`, `12h`, `30d`, `2w`, or a sum such as `1h30min`, as whole milliseconds. A
 * bare `m` is refused because it means minutes to some and months to others.
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
  for (const [, amount = "", unit = ""] of parts) total += Number(amount) * unitMs(text, amount, unit);
  if (total > longestMs) throw new DurationError(`"${text}" is too long: write at most 100000d`);
  const ms = Math.round(total);
  // Rounding to 0 would change the meaning: a 0 stands for "at once" or "all".
  if (ms === 0 && total > 0) throw new DurationError(`"${text}" is too short: write 0 or at least 1ms`);
  return ms;
}

function unitMs(text: string, amount: string, unit: string): number {
  if (unit === "") {
    throw new DurationError(
      `"${text}" has no unit: write ${amount}s, ${amount}min, ${amount}h or ${amount}d`,
    );
  }
  if (unit === "m" || unit === "M") {
    throw new DurationError(
      `"${text}" is ambiguous (minutes or months?): write ${amount}min for minutes or ${formatDuration(Math.round(Number(amount) * 30 * msPerUnit.d))} for months`,
    );
  }
  if (!Object.hasOwn(msPerUnit, unit)) {
    throw new DurationError(`"${text}" has an unknown unit "${unit}": use ms, s, min, h, d or w`);
  }
  return msPerUnit[unit as keyof typeof msPerUnit];
}

/**
 * Writes whole milliseconds the way {@link parseDuration} reads them back exactly, in the largest
 * unit that does: `30d`, `36h`, `90s`, `1500ms`.
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const unit = writtenUnits.find((candidate) => ms % msPerUnit[candidate] === 0) ?? "ms";
  return `${ms / msPerUnit[unit]}${unit}`;
}
