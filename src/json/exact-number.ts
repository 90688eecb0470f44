/** Numbers that keep their exact decimal value, however many digits they have. */

/** A decimal that no double equals, kept as it was written. */
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

/** A longer number is always kept as text, as computing its value takes time quadratic in its length. */
const maxComputedDigits = 1000;

/** Turns a number of JSON into a double if that is exact, else into a bigint or an {@link ExactNumber}. */
export function parseNumber(text: string): number | bigint | ExactNumber {
  if (text.length > maxComputedDigits) return new ExactNumber(text);
  const double = Number(text);
  if (Object.is(double, -0)) return isZero(text) ? -0 : new ExactNumber(text);
  if (Number.isFinite(double) && sameDecimal(text, String(double))) return double;
  return /^-?\d+$/.test(text) ? BigInt(text) : new ExactNumber(text);
}

function isZero(text: string): boolean {
  return !/[1-9]/.test(text.replace(/[eE].*$/, ""));
}

function sameDecimal(a: string, b: string): boolean {
  return a === b || normalizeDecimal(a) === normalizeDecimal(b);
}

/** Writes a decimal as sign, digits without leading or trailing zeros, and power of ten. */
function normalizeDecimal(text: string): string {
  const match = /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return text;
  const fraction = match[3] ?? "";
  const digits = `${match[2]}${fraction}`.replace(/^0+/, "");
  const significant = digits.replace(/0+$/, "");
  if (significant === "") return "0";
  const exponent =
    BigInt(match[4] ?? 0) - BigInt(fraction.length) + BigInt(digits.length - significant.length);
  return `${match[1]}${significant}e${exponent}`;
}
