/**
 * Placeholders for the numbers that JSON.parse would alter: it parses the text with a placeholder in the
 * place of each, and the numbers take their places afterwards.
 */
import { type ExactNumber, isJsonNumber } from "./exact-number.ts";

type AnyNumber = number | bigint | ExactNumber;

/** The numbers of a text that need more than JSON.parse, in order. */
export interface SpecialNumbers {
  /** The start and the end of each. */
  readonly places: number[];
  readonly values: AnyNumber[];
}

/**
 * Placeholders are the integers from here down to -2^31, which the engine handles fastest. A number of the
 * text that is one of these must be special itself, so that no placeholder is taken for it.
 */
const firstPlaceholder = -(2 ** 30);
/** What each placeholder has, and no number that is written with fewer or more characters. */
export const placeholderLength = 11;

export function isPlaceholder(value: number): boolean {
  return value <= firstPlaceholder && (value | 0) === value;
}

/** The text with placeholders; the same text if a number is none of JSON, which JSON.parse is to say. */
export function withPlaceholders(text: string, { places }: SpecialNumbers): string {
  const pieces: string[] = [];
  let done = 0;
  for (let at = 0; at < places.length; at += 2) {
    const [start, end] = [places[at] as number, places[at + 1] as number];
    if (!isJsonNumber(text.slice(start, end))) return text;
    pieces.push(text.slice(done, start), String(firstPlaceholder - at / 2));
    done = end;
  }
  pieces.push(text.slice(done));
  return pieces.join("");
}

/** The value with the numbers in the places of their placeholders. Changes the lists and objects in it. */
export function withoutPlaceholders(value: unknown, values: readonly AnyNumber[]): unknown {
  if (typeof value === "number") return isPlaceholder(value) ? values[firstPlaceholder - value] : value;
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) {
      const item: unknown = value[at];
      if (needsLook(item)) value[at] = withoutPlaceholders(item, values);
    }
    return value;
  }
  const members = value as Record<string, unknown>;
  for (const key in members) {
    const item = members[key];
    // JSON.parse has made `__proto__` a property of its own, which takes the assignment.
    if (needsLook(item)) members[key] = withoutPlaceholders(item, values);
  }
  return value;
}

function needsLook(item: unknown): boolean {
  return typeof item === "number" ? isPlaceholder(item) : typeof item === "object" && item !== null;
}
