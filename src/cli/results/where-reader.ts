/** Reads the parts of a condition, one after the other, from its text. Pure. */
import { isJsonNumber } from "../../json/exact-number.ts";
import { parseResultKey, type ResultKey, ResultKeyError } from "../../session/result-key.ts";

export const operators = ["=", "!=", "<", "<=", ">", ">=", "~"] as const;
export type Operator = (typeof operators)[number];

/** What a key is compared with. A number is kept as it was spelled. */
export type Operand =
  | { readonly kind: "number" | "text"; readonly text: string }
  | { readonly kind: "true" | "false" | "null" }
  | { readonly kind: "pattern"; readonly pattern: RegExp };

/** Thrown for text that is not a condition. The message is for the person who wrote it. */
export class WhereError extends Error {
  constructor(message: string, at: number) {
    super(`At character ${at + 1}: ${message}`);
  }
}

export class WhereReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  key(): ResultKey {
    const start = this.#next();
    const quoted = this.#quoted();
    // In a JSON pointer, ~0 and ~1 are part of the key.
    const text = quoted ?? this.#take(/\/(?:~[01]|[^\s=!<>~])*|[^\s=!<>~]+/y);
    if (text === undefined) throw new WhereError("a key is missing", start);
    try {
      return parseResultKey(text);
    } catch (error) {
      if (!(error instanceof ResultKeyError)) throw error;
      throw new WhereError(error.message, start + (quoted === undefined ? error.at : 0));
    }
  }

  operator(): Operator {
    const start = this.#next();
    const text = this.#take(/[=!<>~]+/y);
    const operator = operators.find((one) => one === text);
    if (operator !== undefined) return operator;
    const all = operators.join(" ");
    if (text === undefined) throw new WhereError(`here must be one of ${all}`, start);
    const instead = text === "==" ? "; write =" : "";
    throw new WhereError(`${text} is none of ${all}${instead}`, start);
  }

  operand(operator: Operator): Operand {
    const start = this.#next();
    const quoted = this.#quoted();
    const text = quoted ?? this.#take(/\S+/y);
    if (text === undefined) throw new WhereError('a value is missing; an empty text is written ""', start);
    if (operator === "~") return { kind: "pattern", pattern: patternOf(text, start) };
    if (quoted !== undefined) return { kind: "text", text };
    if (isJsonNumber(text)) return { kind: "number", text };
    if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) {
      throw new WhereError(`${text} is not a number as JSON has it; as a text it goes in quotes`, start);
    }
    if (text !== "true" && text !== "false" && text !== "null") return { kind: "text", text };
    if (operator === "=" || operator === "!=") return { kind: text };
    throw new WhereError(`${text} is compared by = and != only; as a text it goes in quotes`, start);
  }

  /** Whether another comparison follows. */
  and(): boolean {
    const start = this.#next();
    const word = this.#take(/\S+/y);
    if (word === undefined) return false;
    if (word.toLowerCase() === "and") return true;
    throw new WhereError("only and may follow; a value with blanks goes in quotes", start);
  }

  /** Skips blanks. Returns the index of what comes next. */
  #next(): number {
    this.#take(/\s+/y);
    return this.#at;
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  /** A text in single quotes, where each character stands for itself, or a JSON string. */
  #quoted(): string | undefined {
    const start = this.#at;
    const quote = this.#text[start];
    if (quote !== "'" && quote !== '"') return undefined;
    const found = this.#take(quote === "'" ? /'[^']*'/y : /"(?:[^"\\]|\\.)*"/sy);
    if (found === undefined) throw new WhereError(`the quotation mark ${quote} is not closed`, start);
    if (quote === "'") return found.slice(1, -1);
    try {
      return JSON.parse(found) as string;
    } catch {
      const advice = "in double quotes a backslash is written twice; single quotes take all as it is";
      throw new WhereError(`${found} is not a JSON string: ${advice}`, start);
    }
  }
}

/** `^` and `$` stand for the ends of each line. */
function patternOf(text: string, start: number): RegExp {
  try {
    return new RegExp(text, "mu");
  } catch (error) {
    throw new WhereError((error as Error).message, start);
  }
}
