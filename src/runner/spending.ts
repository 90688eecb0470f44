/**
 * What the attempts of a session have spent, for `--budget`. The result of each file has in `spent` what all
 * attempts at that file have spent so far, so that the sum is durable with the results, whoever is killed,
 * and a report that is sent again counts once.
 */
import { compareDecimals } from "../json/decimal.ts";
import { addDecimals, DecimalSum, isAddable } from "../json/decimal-sum.ts";
import { isJsonObject, type JsonObject, type JsonValue, memberOf } from "../json/exact-json.ts";
import { numberText, readSpelled } from "../json/exact-number.ts";
import { hasFailed } from "../session/failed-file.ts";
import { parseResultKey, type ResultKey, ResultKeyError, valueAt } from "../session/result-key.ts";
import type { Budgets } from "./budget.ts";

/** What is spent of one budget, as decimals. */
export interface Spent {
  readonly key: string;
  readonly spent: string;
  readonly max: string;
}

interface Account {
  readonly key: ResultKey;
  /** Undefined for what was once a budget: it is counted on, in case that it becomes one again. */
  readonly max: string | undefined;
  /** By file, if it is not nothing. */
  readonly byFile: Map<string, string>;
  sum: string;
  /** Whether any result has a number there. */
  isFound: boolean;
  isSaid: boolean;
}

/** More keys than these in the results of another program are left alone. */
const mostKeys = 100;

export class Spending {
  readonly #accounts: readonly Account[];
  readonly #say: (line: string) => void;
  #attempts = 0;

  private constructor(accounts: readonly Account[], say: (line: string) => void) {
    this.#accounts = accounts;
    this.#say = say;
  }

  /** Whether there is something to count: a budget, or what an earlier run has counted. */
  static isNeeded(results: JsonObject, budgets: Budgets | undefined): boolean {
    return keysOf(results, budgets).size > 0;
  }

  /** Undefined if there is nothing to count. */
  static of(results: JsonObject, budgets: Budgets, say: (line: string) => void): Spending | undefined {
    const keys = keysOf(results, budgets);
    const accounts = [...keys].flatMap((key) => accountOf(key, budgets.get(key), results));
    return accounts.length === 0 ? undefined : new Spending(accounts, say);
  }

  /** Counts an attempt. Returns what to record as `spent` in the result of its file. */
  count(file: string, result: JsonObject): JsonObject | undefined {
    this.#attempts++;
    const spent: Record<string, JsonValue> = {};
    for (const account of this.#accounts) {
      const number = this.#numberAt(account, file, result);
      const before = account.byFile.get(file) ?? "0";
      const after = number === undefined ? before : addDecimals(before, number);
      if (number !== undefined) {
        account.sum = addDecimals(account.sum, number);
        account.byFile.set(file, after);
      }
      if (account.byFile.has(file)) spent[account.key.text] = readSpelled(after);
    }
    return Object.keys(spent).length === 0 ? undefined : spent;
  }

  /** What is spent of each budget. */
  get spent(): Spent[] {
    return this.#accounts.flatMap(({ key, max, sum }) =>
      max === undefined ? [] : [{ key: key.text, spent: sum, max }],
    );
  }

  /** Why nothing more may be spent; undefined if something may. */
  get reached(): string | undefined {
    const reached = this.#reached;
    if (reached.length === 0) return undefined;
    return `budget reached: ${reached.map(({ key, spent, max }) => `${key} ${spent} of ${max}`).join(", ")}`;
  }

  /** A budget for each one that is reached, with room for as much again. */
  get larger(): Budgets {
    return new Map(this.#reached.map(({ key, spent, max }) => [key, doubled(max, spent)]));
  }

  get #reached(): Spent[] {
    return this.spent.filter(({ spent, max }) => compareDecimals(spent, max) >= 0);
  }

  /** The budgets of which no result has a number, if there was an attempt. */
  get missing(): string[] {
    if (this.#attempts === 0) return [];
    return this.#accounts
      .filter(({ max, isFound }) => max !== undefined && !isFound)
      .map(({ key }) => key.text);
  }

  #numberAt(account: Account, file: string, result: JsonObject): string | undefined {
    const value = valueAt(result, account.key);
    const number = numberText(value);
    if (number !== undefined && isAddable(number)) {
      account.isFound = true;
      return number;
    }
    // A command that fails, or is refused for now, has rarely spent anything.
    const isExpected = value === undefined && hasFailed(result);
    if (!isExpected && !account.isSaid && account.max !== undefined) {
      account.isSaid = true;
      this.#say(
        `budget ${account.key.text}: nothing is counted of ${file}, ${whyNot(value, result)}; ` +
          "this message is not repeated for other files",
      );
    }
    return undefined;
  }
}

function keysOf(results: JsonObject, budgets: Budgets = new Map()): ReadonlySet<string> {
  const keys = new Set(budgets.keys());
  for (const file of Object.keys(results)) {
    for (const key of Object.keys(spentIn(results[file]))) if (keys.size < mostKeys) keys.add(key);
  }
  return keys;
}

/** The account of a key, with what the results have. A key of another program may be no key. */
function accountOf(text: string, max: string | undefined, results: JsonObject): Account[] {
  const key = keyIn(text);
  if (key === undefined) return [];
  const byFile = new Map<string, string>();
  const sum = new DecimalSum();
  let isFound = false;
  for (const file of Object.keys(results)) {
    const result = results[file];
    const recorded = spentIn(result);
    const own = numberText(memberOf(recorded, text));
    const number = own ?? numberText(valueAt(result, key));
    if (number === undefined || !sum.add(number)) continue;
    isFound = true;
    byFile.set(file, number);
  }
  return [{ key, max, byFile, sum: sum.toString(), isFound, isSaid: false }];
}

/** Doubles the maximum until it is above what is spent. */
function doubled(max: string, spent: string): string {
  let larger = max;
  do larger = addDecimals(larger, larger);
  while (compareDecimals(larger, spent) <= 0);
  return larger;
}

function keyIn(text: string): ResultKey | undefined {
  try {
    return parseResultKey(text);
  } catch (error) {
    if (error instanceof ResultKeyError) return undefined;
    throw error;
  }
}

function spentIn(result: JsonValue | undefined): JsonObject {
  const spent = memberOf(result, "spent");
  return isJsonObject(spent) ? spent : {};
}

function whyNot(value: JsonValue | undefined, result: JsonObject): string {
  if (numberText(value) !== undefined) return "where the number is too long or too large";
  if (value !== undefined) return "where it is no number";
  const { stdout, truncated } = result;
  if (isJsonObject(truncated) && truncated.stdout !== undefined) {
    return "whose output is longer than --output-limit, so that it is not read as JSON";
  }
  return typeof stdout === "string" ? "whose output is not JSON" : "whose result has no such key";
}
