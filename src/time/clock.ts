/**
 * Time as sessiond keeps it: whole microseconds since 1970-01-01T00:00:00Z. A double holds them
 * exactly until the year 2255, and they order the microsecond timestamps of session files.
 */
export type Micros = number;

export interface Clock {
  now(): Micros;
}

const maxDriftMicros = 1_000_000;

/**
 * The system clock, made strictly increasing so that two changes never carry one time:
 * within a millisecond it counts microseconds up. A backward step of a second or more is a
 * clock that was set, and is followed.
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

/** Formats as ISO 8601 in UTC with six fraction digits: `2026-01-02T03:04:05.123456Z`. */
export function formatTimestamp(at: Micros): string {
  const ms = Math.floor(at / microsPerMs);
  const rest = String(at - ms * microsPerMs).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}

const timestampPattern =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))$/;

/**
 * Reads an ISO 8601 date and time with an offset (RFC 3339 profile) and at most six fraction digits.
 * Returns undefined for anything else, impossible dates such as 30 February included.
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
  // Date.UTC takes the years 0 to 99 for 1900 to 1999: 400 years later the calendar is the same.
  const ms = Date.UTC(year + 400, month - 1, day, hour, minute, second) - msPer400Years;
  return (ms - offset) * microsPerMs + Number((match[7] ?? "").padEnd(6, "0"));
}

const msPer400Years = 146_097 * 86_400_000;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function daysInMonth(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month === 2 && isLeap ? 29 : (monthDays[month - 1] as number);
}
