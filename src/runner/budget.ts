/** Reads and writes `--budget KEY=MAX`: what the sum of a number in the results may come to. Pure. */
import { compareDecimals } from "../json/decimal.ts";
import { isAddable } from "../json/decimal-sum.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";
import { numberText, readSpelled } from "../json/exact-number.ts";
import { parseResultKey, ResultKeyError } from "../session/result-key.ts";
import { OptionError } from "./option-error.ts";

/**
 * By key, in the spelling of {@link keyText}: the most, a number above 0; undefined for a key without one.
 */
export type Budgets = ReadonlyMap<string, string | undefined>;

/** Takes the budget of a key away. */
const none = "none";

/** Reads `cost=5` or `/usage/cost=0.5`; `cost=none` has no maximum. @throws OptionError */
export function parseBudget(text: string): { key: string; max: string | undefined } {
  // A key may contain an equals sign, a number may not.
  const at = text.lastIndexOf("=");
  if (at < 1) throw new OptionError(`"${text}" is no budget: write KEY=MAX, such as usage.cost=5`);
  const key = keyOf(text.slice(0, at));
  const max = text.slice(at + 1).trim();
  return { key, max: max === none ? undefined : maximum(max, text) };
}

/** Budgets that are given now, beside those of before: the maximum that is given wins. */
export function mergeBudgets(before: Budgets | undefined, now: Budgets): Budgets {
  return withMaximum(new Map([...(before ?? []), ...now]));
}

/** Budgets as they are remembered: an object with a number for each key. @throws OptionError */
export function readBudgets(value: JsonValue): Budgets {
  if (!isJsonObject(value)) throw new OptionError("it must be an object with a number for each key");
  return new Map(
    Object.entries(value).map(([key, max]) => [keyOf(key), maximum(numberText(max) ?? "", `${key}=${max}`)]),
  );
}

/** As {@link readBudgets} reads them. */
export function writeBudgets(budgets: Budgets): JsonObject {
  return Object.fromEntries([...withMaximum(budgets)].map(([key, max]) => [key, readSpelled(max as string)]));
}

function withMaximum(budgets: Budgets): Budgets {
  return new Map([...budgets].filter(([, max]) => max !== undefined));
}

/** One spelling for each place: `/usage/cost` and `usage.cost` are the same budget. */
function keyOf(text: string): string {
  try {
    return keyText(parseResultKey(text).path);
  } catch (error) {
    if (!(error instanceof ResultKeyError)) throw error;
    throw new OptionError(`"${text}" is no key: ${error.message}`);
  }
}

/** With dots if all parts are plain, else as a JSON pointer. */
export function keyText(path: readonly string[]): string {
  const isPlain = path.every((part) => part !== "" && !part.includes(".")) && !path[0]?.startsWith("/");
  if (isPlain) return path.join(".");
  return path.map((part) => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

function maximum(text: string, whole: string): string {
  const number = text.replace(/^\+/, "").replace(/^\./, "0.");
  if (
    !/^\d+(\.\d+)?([eE][+-]?\d+)?$/.test(number) ||
    !isAddable(number) ||
    compareDecimals(number, "0") <= 0
  ) {
    throw new OptionError(
      `"${whole}" is no budget: the maximum is a number above 0, such as usage.cost=5, or none`,
    );
  }
  // JSON has no zeros at the beginning.
  return number.replace(/^0+(?=\d)/, "");
}
