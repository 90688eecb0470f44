/** Durations as text with units, read and written. */
const msPerUnit = { ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/** Weeks are read but not written: `14d` is easier to understand than `2w`. */
const writtenUnits = ["d", "h", "min", "s"] as const;

/** About 285 years. A time plus such a duration is still an exact number of microseconds. */
const longestMs = Number.MAX_SAFE_INTEGER / 1000;

/** Thrown for text that is not a duration. The message is for the person who wrote it. */
export class DurationError extends Error {}

/**
 * Parses `500ms`, `30s`, `7min`, `12h`, `30d`, `2w`, or a sum such as `1h30min`, into whole milliseconds. The
 * unit `m` is refused, because it means minutes to some and months to others.
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
  // Rounding to 0 would change the meaning, as 0 stands for "at once" or "all".
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
    const days = formatDuration(Math.round(Number(amount) * 30 * msPerUnit.d));
    throw new DurationError(
      `"${text}" is ambiguous (minutes or months?): write ${amount}min for minutes or ${days} for months`,
    );
  }
  if (!Object.hasOwn(msPerUnit, unit)) {
    throw new DurationError(`"${text}" has an unknown unit "${unit}": use ms, s, min, h, d or w`);
  }
  return msPerUnit[unit as keyof typeof msPerUnit];
}

/**
 * Formats whole milliseconds in the largest unit that is exact: `30d`, `36h`, `90s`, `1500ms`. {@link
 * parseDuration} reads the same number back.
 */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const unit = writtenUnits.find((candidate) => ms % msPerUnit[candidate] === 0) ?? "ms";
  return `${ms / msPerUnit[unit]}${unit}`;
}

const shownUnits = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1000],
] as const;

/** Formats milliseconds for people, rounded down in the largest unit: `3 h`. */
export function roughDuration(ms: number): string {
  for (const [unit, length] of shownUnits) {
    if (ms >= length) return `${Math.floor(ms / length)} ${unit}`;
  }
  return `${Math.round(ms)} ms`;
}
