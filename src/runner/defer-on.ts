/** Reads which exit statuses of a command mean "not now". */
import { OptionError } from "./option-error.ts";

/** EX_TEMPFAIL of sysexits(3): the user is invited to try again later. */
export const defaultDeferOn: readonly number[] = [75];

/**
 * Reads a list such as `75` or `75,100` of numbers from 1 to 255; `none` is an empty list. @throws
 * OptionError
 */
export function parseDeferOn(text: string): readonly number[] {
  if (text.trim() === "none") return [];
  const numbers = text.split(",").map((part) => part.trim());
  const isStatus = (part: string) => /^\d{1,3}$/.test(part) && Number(part) >= 1 && Number(part) <= 255;
  if (!numbers.every(isStatus)) {
    throw new OptionError(
      `"${text}" is not a list of exit statuses: write 75, or several from 1 to 255 as 75,100, or none`,
    );
  }
  return [...new Set(numbers.map(Number))];
}

/** As {@link parseDeferOn} reads it. */
export function formatDeferOn(statuses: readonly number[]): string {
  return statuses.length === 0 ? "none" : statuses.join(",");
}
