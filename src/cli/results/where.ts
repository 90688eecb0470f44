/**
 * Conditions on results, as in `--where 'issues > 3 and file ~ "^src/"'`: read from text, and tried on the
 * values of their keys. Pure.
 */
import { compareDecimals } from "../../json/decimal.ts";
import type { JsonValue } from "../../json/exact-json.ts";
import { numberText } from "../../json/exact-number.ts";
import type { ResultKey } from "../../session/result-key.ts";
import { type Operand, type Operator, WhereError, WhereReader } from "./where-reader.ts";

export { WhereError };

export interface Comparison {
  readonly key: ResultKey;
  readonly operator: Operator;
  readonly operand: Operand;
}

/**
 * Reads `KEY OP VALUE`, or several of them joined by `and`. docs/results.md has the grammar.
 *
 * @throws WhereError
 */
export function parseWhere(text: string): Comparison[] {
  const reader = new WhereReader(text);
  const comparisons: Comparison[] = [];
  do {
    const key = reader.key();
    const operator = reader.operator();
    comparisons.push({ key, operator, operand: reader.operand(operator) });
  } while (reader.and());
  return comparisons;
}

/** Whether a comparison holds for the value of its key; undefined stands for a key that is missing. */
export function holds({ operator, operand }: Comparison, value: JsonValue | undefined): boolean {
  switch (operator) {
    case "=":
      return isEqual(operand, value);
    case "!=":
      return !isEqual(operand, value);
    case "~": {
      const text = spelled(value);
      return operand.kind === "pattern" && text !== undefined && operand.pattern.test(text);
    }
  }
  const order = orderOf(operand, value);
  if (order === undefined) return false;
  if (operator === "<" || operator === "<=") return order < 0 || (operator === "<=" && order === 0);
  return order > 0 || (operator === ">=" && order === 0);
}

/** Whether the value is of a kind that the comparison is about: a number, a text … */
export function fits({ operand }: Comparison, value: JsonValue | undefined): boolean {
  switch (operand.kind) {
    case "number":
    case "text":
      return orderOf(operand, value) !== undefined;
    case "pattern":
      return spelled(value) !== undefined;
    default:
      return true;
  }
}

/** A missing key counts as null. */
function isEqual(operand: Operand, value: JsonValue | undefined): boolean {
  if (operand.kind === "null") return value === null || value === undefined;
  if (operand.kind === "true" || operand.kind === "false") return value === (operand.kind === "true");
  return orderOf(operand, value) === 0;
}

/** Negative if the value is less than the operand. Undefined if they are not two numbers or two texts. */
function orderOf(operand: Operand, value: JsonValue | undefined): number | undefined {
  if (operand.kind === "text")
    return typeof value === "string" ? compareTexts(value, operand.text) : undefined;
  const number = numberText(value);
  return operand.kind === "number" && number !== undefined
    ? compareDecimals(number, operand.text)
    : undefined;
}

/** By Unicode code points. */
function compareTexts(one: string, other: string): number {
  if (one === other) return 0;
  let at = 0;
  while (one.charCodeAt(at) === other.charCodeAt(at)) at++;
  // After equal first halves of surrogate pairs, the second halves have the order of the code points.
  return (one.codePointAt(at) ?? -1) - (other.codePointAt(at) ?? -1);
}

/** A text as it is; a number, true and false as JSON spells them. */
function spelled(value: JsonValue | undefined): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "boolean" ? String(value) : numberText(value);
}
