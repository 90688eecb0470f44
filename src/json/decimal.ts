/** Compares decimals as JSON spells them by their exact value, however many digits they have. Pure. */

interface Decimal {
  readonly sign: -1 | 0 | 1;
  /** The power of ten of the first digit. */
  readonly magnitude: bigint;
  /** Without zeros at either end. */
  readonly digits: string;
}

/** Negative if the first number is smaller, positive if it is larger, 0 if both have the same value. */
export function compareDecimals(a: string, b: string): number {
  if (a === b) return 0;
  const [one, other] = [decimalOf(a), decimalOf(b)];
  if (one.sign !== other.sign) return one.sign - other.sign;
  if (one.sign === 0) return 0;
  if (one.magnitude !== other.magnitude) return one.magnitude < other.magnitude ? -one.sign : one.sign;
  if (one.digits === other.digits) return 0;
  return one.digits < other.digits ? -one.sign : one.sign;
}

/** `text` is a number of JSON, or one that JavaScript has spelled. */
function decimalOf(text: string): Decimal {
  const match = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) throw new TypeError(`not a decimal: ${text.slice(0, 100)}`);
  const [, minus, whole = "", fraction = "", exponent = "0"] = match;
  const all = whole + fraction;
  const leading = all.search(/[1-9]/);
  if (leading === -1) return { sign: 0, magnitude: 0n, digits: "" };
  const magnitude = BigInt(exponent) + BigInt(whole.length - 1 - leading);
  return { sign: minus === "" ? 1 : -1, magnitude, digits: withoutTrailingZeros(all.slice(leading)) };
}

/** In a loop: a regular expression would take time quadratic in the zeros that are not at the end. */
function withoutTrailingZeros(digits: string): string {
  let end = digits.length;
  while (digits[end - 1] === "0") end--;
  return digits.slice(0, end);
}
