/**
 * Reads from the output of a command when its service wants to be asked again: the field Retry-After of RFC
 * 9110, section 10.2.3. Pure.
 */
import { type JsonValue, memberOf } from "../json/exact-json.ts";
import { microsPerMs, parseTimestamp } from "../time/clock.ts";

/** curl writes `<` before the fields of a response with --verbose. */
const field = /^(?:<[ \t]*)?retry-after[ \t]*:[ \t]*(\S.*)$/gim;
const seconds = /^\d{1,12}(?:\.\d{1,9})?$/;
/** The three formats of RFC 9110, section 5.6.7, all in GMT; only the last one does not say so. */
const httpDate = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*(?:\d gmt|(\d\d:\d\d:\d\d \d{4}))$/i;

/**
 * Milliseconds from `nowMs` (since 1970) until the next try, 0 or more; undefined if the output does not
 * tell. Tells: a line `Retry-After: 30` or `Retry-After: <HTTP date>` in `stderr`, and the key `retry_after`
 * of a JSON object in `stdout`, a number of seconds or a date. The latest of several counts.
 */
export function retryAfterMs(
  { stdout, stderr }: { readonly stdout: JsonValue; readonly stderr: string },
  nowMs: number,
): number | undefined {
  const texts = Array.from(stderr.matchAll(field), ([, text]) => (text as string).trim());
  const printed = memberOf(stdout, "retry_after");
  if (printed !== undefined) texts.push(String(printed));
  const known = texts.map((text) => read(text, nowMs)).filter((ms) => ms !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function read(text: string, nowMs: number): number | undefined {
  if (seconds.test(text)) return Math.ceil(Number(text) * 1000);
  const untilMs = dateMs(text);
  return untilMs === undefined ? undefined : Math.max(0, untilMs - nowMs);
}

/** Milliseconds since 1970. */
function dateMs(text: string): number | undefined {
  const match = httpDate.exec(text);
  if (match === null) {
    const micros = parseTimestamp(text);
    return micros === undefined ? undefined : micros / microsPerMs;
  }
  const ms = Date.parse(match[1] === undefined ? text : `${text} GMT`);
  return Number.isNaN(ms) ? undefined : ms;
}
