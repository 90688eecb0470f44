/** Adds up decimals as JSON spells them, exactly: 0.1 and 0.2 are 0.3. Pure. */

/** Larger ones are no amounts of anything, and would take long to add. */
const mostDigits = 1000;
const mostExponent = 400;

interface Scaled {
  /** The number times 10 to the power of `scale`. */
  readonly digits: bigint;
  /** 0 or more. */
  readonly scale: number;
}

export class DecimalSum {
  #digits = 0n;
  #scale = 0;

  /** Adds a number; returns false if it is too long or too large to be added. */
  add(text: string): boolean {
    const number = scaled(text);
    if (number === undefined) return false;
    const { digits, scale } = number;
    const common = Math.max(scale, this.#scale);
    this.#digits = this.#digits * powerOfTen(common - this.#scale) + digits * powerOfTen(common - scale);
    this.#scale = common;
    return true;
  }

  /** The sum as a number of JSON, without an exponent and without zeros at the end: `0.3`. */
  toString(): string {
    const isNegative = this.#digits < 0n;
    const all = String(isNegative ? -this.#digits : this.#digits).padStart(this.#scale + 1, "0");
    const whole = all.slice(0, all.length - this.#scale);
    const fraction = all.slice(whole.length).replace(/0+$/, "");
    return `${isNegative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`;
  }
}

/** The exact sum of two numbers; the first alone if the second cannot be added. */
export function addDecimals(a: string, b: string): string {
  const sum = new DecimalSum();
  sum.add(a);
  sum.add(b);
  return sum.toString();
}

/** Whether a number can be added. */
export function isAddable(text: string): boolean {
  return scaled(text) !== undefined;
}

/** `text` is a number of JSON, or one that JavaScript has spelled. */
function scaled(text: string): Scaled | undefined {
  if (text.length > mostDigits) return undefined;
  const match = /^(-?\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  const shift = Number(exponent);
  if (Math.abs(shift) > mostExponent) return undefined;
  const digits = BigInt(whole + fraction);
  const scale = fraction.length - shift;
  return scale >= 0 ? { digits, scale } : { digits: digits * powerOfTen(-scale), scale: 0 };
}

function powerOfTen(exponent: number): bigint {
  return 10n ** BigInt(exponent);
}
