/**
 * Time in microseconds: the clock, and timestamps in ISO 8601.
 *
 * The room time/ owns the clock, timestamps and durations. It knows nothing of sessions.
 */

/**
 * Whole microseconds since 1970-01-01T00:00:00Z, the precision of the timestamps in session files. A double
 * holds such a number exactly until the year 2255.
 */
export type Micros = number;

export interface Clock {
  now(): Micros;
}

const maxDriftMicros = 1_000_000;

/**
 * The system clock, made strictly increasing so that no two changes have the same time: within a millisecond
 * it counts up in microseconds. If the system clock was set back by a second or more, this clock follows it.
 */
export function systemClock(): Clock {
  let last = 0;
  return {
    now() {
      const real = Date.now() * 1000;
      const ahead = last - real;
      last = ahead >= 0 && ahead < maxDriftMicros ? last + 1 : real;
      return last;
    },
  };
}

export const microsPerMs = 1000;

/** Formats a time as ISO 8601 in UTC with six decimals: `2026-01-02T03:04:05.123456Z`. */
export function formatTimestamp(at: Micros): string {
  const ms = Math.floor(at / microsPerMs);
  const rest = String(at - ms * microsPerMs).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}

const timestampPattern =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Parses an ISO 8601 date and time with an offset (the profile of RFC 3339) and at most six decimals. Returns
 * undefined for anything else, including dates that do not exist, such as 30 February.
 */
export function parseTimestamp(text: string): Micros | undefined {
  const match = timestampPattern.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offsetHours = Number(match[9] ?? 0);
  const offsetMinutes = Number(match[10] ?? 0);
  if (offsetHours > 23 || offsetMinutes > 59) return undefined;
  const offset = (match[8] === "-" ? -1 : 1) * (offsetHours * 60 + offsetMinutes) * 60_000;
  // Date.UTC takes the years 0 to 99 for 1900 to 1999. The calendar repeats every 400 years.
  const ms = Date.UTC(year + 400, month - 1, day, hour, minute, second) - msPer400Years;
  return (ms - offset) * microsPerMs + Number((match[7] ?? "").padEnd(6, "0"));
}

const msPer400Years = 146_097 * 86_400_000;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysInMonth(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (monthDays[month - 1] as number);
}
