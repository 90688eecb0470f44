/** How the value of an option is kept in the key `run` of a session, by kinds of options. Pure. */
import type { JsonValue } from "../json/exact-json.ts";
import { plainNumber } from "../json/exact-number.ts";
import { formatExactSize, parseSize } from "../text/size.ts";
import { formatDuration, parseDuration } from "../time/duration.ts";
import { OptionError } from "./option-error.ts";

/** A kind of options, whose values have the type T in the program. */
export interface Kind<T> {
  /**
   * The value from what is remembered.
   *
   * @throws OptionError, DurationError, SizeError
   */
  read(remembered: JsonValue): T;
  /** What to remember of a value. */
  write(value: T): JsonValue;
  /** Joins what is given with what is remembered, if the one does not take the place of the other. */
  merge?(before: T | undefined, now: T): T;
}

/** A text that the check accepts. It may be remembered as a number too. */
export function text(check: (text: string) => unknown): Kind<string> {
  return {
    read: (value) => {
      const read = textOrNumber(value);
      check(read);
      return read;
    },
    write: (value) => value,
  };
}

/** A whole number, 0 or more. */
export const count: Kind<number> = {
  read: (value) => {
    const number = plainNumber(value);
    if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
    throw new OptionError("it must be a whole number, 0 or more");
  },
  write: (value) => value,
};

export function choice<T extends string>(choices: readonly T[]): Kind<T> {
  return {
    read: (value) => {
      const chosen = choices.find((one) => one === value);
      if (chosen !== undefined) return chosen;
      throw new OptionError(`it must be ${choices.join(" or ")}`);
    },
    write: (value) => value,
  };
}

/** In milliseconds. */
export const duration: Kind<number> = {
  read: (value) => parseDuration(textOf(value)),
  write: formatDuration,
};

/** In bytes. */
export function size(most: number): Kind<number> {
  return {
    read: (value) => {
      const bytes = parseSize(textOf(value));
      if (bytes <= most) return bytes;
      throw new OptionError(`it must be at most ${formatExactSize(most)}`);
    },
    write: formatExactSize,
  };
}

/** Several texts, at least one. */
export const list: Kind<readonly string[]> = {
  read: (value) => {
    if (Array.isArray(value) && value.length > 0) return value.map(textOf);
    throw new OptionError("it must be a list");
  },
  write: (value) => value,
};

/** @throws OptionError */
export function textOf(value: JsonValue): string {
  if (typeof value === "string") return value;
  throw new OptionError("it must be a text");
}

/** @throws OptionError */
export function textOrNumber(value: JsonValue): string {
  return typeof value === "number" ? String(value) : textOf(value);
}
