/** Numbers that keep their exact decimal value and their spelling, however many digits they have. */
import { compareDecimals } from "./decimal.ts";

/**
 * A number as it was written. It stands for a decimal that no double equals. Where spelling is kept, it also
 * stands for a number that JavaScript would spell in another way, such as 85.0 or 1e23.
 */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The nearest double. */
  valueOf(): number {
    return Number(this.text);
  }

  toString(): string {
    return this.text;
  }

  /** JSON.stringify writes the nearest double, so precision is lost. Use `stringifyJson` instead. */
  toJSON(): number {
    return Number(this.text);
  }
}

export function isJsonNumber(text: string): boolean {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text);
}

/** Whether a value that was read from JSON is a number, of any of the types that numbers get. */
export function isNumber(value: unknown): value is number | bigint | ExactNumber {
  return typeof value === "number" || typeof value === "bigint" || value instanceof ExactNumber;
}

/** A number that was read from JSON as it is spelled; undefined for any other value. */
export function numberText(value: unknown): string | undefined {
  return isNumber(value) ? String(value) : undefined;
}

/** How a number of JSON becomes a value. */
export type NumberReader = (text: string) => number | bigint | ExactNumber;

/** A longer integer is kept as text, as computing its value takes time quadratic in its length. */
const maxComputedDigits = 1000;
/** JavaScript spells no number with more characters. */
const maxSpelledLength = 25;

/**
 * Reads a number so that it is written again in the same spelling: as a double if JavaScript spells it just
 * so, else as a bigint or an {@link ExactNumber}. Python and others tell 85.0 from 85.
 */
export const readSpelled: NumberReader = (text) => {
  if (text.length <= maxSpelledLength) {
    const double = Number(text);
    if (spell(double) === text) return double;
  }
  return isInteger(text) && text !== "-0" ? BigInt(text) : new ExactNumber(text);
};

/**
 * Reads a number for a JavaScript caller: as a double if the double has exactly this value, else as a bigint
 * or an {@link ExactNumber}. The value of a double is the decimal that JavaScript writes for it.
 */
export const readPlain: NumberReader = (text) => {
  if (text.length > maxComputedDigits) return new ExactNumber(text);
  const double = Number(text);
  if (Object.is(double, -0)) return isZero(text) ? -0 : new ExactNumber(text);
  if (Number.isFinite(double) && compareDecimals(text, String(double)) === 0) return double;
  return isInteger(text) ? BigInt(text) : new ExactNumber(text);
};

/** A number whose spelling does not matter, as a double; any other value as it is. */
export function plainNumber(value: unknown): unknown {
  return value instanceof ExactNumber ? Number(value.text) : value;
}

/** A double as JSON. Minus zero keeps its sign; as -0.0, because others read -0 as the integer 0. */
export function spell(double: number): string {
  return Object.is(double, -0) ? "-0.0" : String(double);
}

function isInteger(text: string): boolean {
  return text.length <= maxComputedDigits && /^-?\d+$/.test(text);
}

function isZero(text: string): boolean {
  return !/[1-9]/.test(text.replace(/[eE].*$/, ""));
}
