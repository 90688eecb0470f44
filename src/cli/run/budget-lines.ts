/** What a run says of its budgets at its end. */

import { compareDecimals } from "../../json/decimal.ts";
import { addDecimals } from "../../json/decimal-sum.ts";
import type { Spending } from "../../runner/spending.ts";
import { shownWord } from "../../text/shell-quote.ts";

/** One line for each budget: how much is spent, and how far commands that were running went over. */
export function budgetLines(spending: Spending | undefined): string[] {
  if (spending === undefined) return [];
  const { spent, missing } = spending;
  return spent.map(({ key, spent: amount, max }) => {
    if (missing.includes(key))
      return `budget ${key}: no result has a number there, so that nothing was counted`;
    const over = compareDecimals(amount, max) > 0 ? ` (${addDecimals(amount, `-${max}`)} over)` : "";
    return `budget ${key}: ${amount} of ${max} spent${over}`;
  });
}

/** The options that give as much room again. */
export function largerBudgets(spending: Spending | undefined): string[] {
  return Array.from(spending?.larger ?? [], ([key, max]) => `--budget ${shownWord(`${key}=${max}`)}`);
}
