/** Which results are wanted, by their status and by conditions, and what the conditions have met. */
import { createContext, Script } from "node:vm";
import type { JsonValue } from "../../json/exact-json.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { type Failure, namedFailures } from "../failures.ts";
import { type Row, reasonOf, valueOfKey } from "./row.ts";
import { type Comparison, fits, holds } from "./where.ts";

export interface Wanted {
  readonly onlyFailed: boolean;
  /** All of them must hold. */
  readonly where: readonly Comparison[];
  /** At most this many, the first ones. */
  readonly limit: number | undefined;
}

/** How long a regular expression may take for some rows, in milliseconds. Usual ones take far less. */
const patternLimitMs = 5000;

/** What a condition has met. */
interface Met {
  rows: number;
  /** Those that have its key. */
  found: number;
  /** Those whose value can be compared with the one that is given. */
  comparable: number;
}

/** What is told of the rows is that of the last time they were read. */
export class WantedRows {
  readonly #wanted: Wanted;
  readonly #limitMs: number;
  #met: readonly Met[] = [];
  count = 0;
  failedCount = 0;
  /** The first failed ones. */
  failures: Failure[] = [];

  constructor(wanted: Wanted, limitMs = patternLimitMs) {
    this.#wanted = wanted;
    this.#limitMs = limitMs;
  }

  /** Those of these rows that are wanted. */
  async *among(rows: AsyncIterable<readonly Row[]>): AsyncGenerator<readonly Row[]> {
    const { onlyFailed, where, limit = Number.POSITIVE_INFINITY } = this.#wanted;
    this.#met = where.map(() => ({ rows: 0, found: 0, comparable: 0 }));
    [this.count, this.failedCount, this.failures] = [0, 0, []];
    const hasPattern = where.some(({ operator }) => operator === "~");
    let left = limit;
    for await (const some of rows) {
      const select = () =>
        some.filter((row) => (!onlyFailed || row.status === "failed") && this.#holdFor(row));
      const selected = (hasPattern ? within(this.#limitMs, select) : select()).slice(0, left);
      left -= selected.length;
      this.#note(selected);
      if (selected.length > 0) yield selected;
      if (left === 0) return;
    }
  }

  /** Why the conditions may have been met by no result, in words. */
  hints(): string[] {
    return this.#wanted.where.flatMap(({ key, operand }, at) => {
      const { rows, found, comparable } = this.#met[at] as Met;
      if (rows === 0 || comparable > 0) return [];
      if (found === 0) return [`no result has the key ${key.text}`];
      return operand.kind === "number" || operand.kind === "text"
        ? [`${key.text} is never a ${operand.kind}`]
        : [];
    });
  }

  #note(rows: readonly Row[]): void {
    this.count += rows.length;
    for (const { file, status, result } of rows) {
      if (status !== "failed") continue;
      this.failedCount++;
      const reason = this.failures.length < namedFailures ? reasonOf(result) : undefined;
      if (reason !== undefined) this.failures.push({ file, reason });
    }
  }

  #holdFor(row: Row): boolean {
    return this.#wanted.where.every((comparison, at) => {
      const value: JsonValue | undefined = valueOfKey(row, comparison.key);
      const met = this.#met[at] as Met;
      met.rows++;
      if (value !== undefined) met.found++;
      if (fits(comparison, value)) met.comparable++;
      return holds(comparison, value);
    });
  }
}

/** Some regular expressions take longer than anybody waits, for texts that nobody would suspect. */
function within<T>(limitMs: number, work: () => T): T {
  try {
    return new Script("work()").runInContext(createContext({ work }), { timeout: limitMs }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    const message = "the regular expression takes too long; write one without repetitions within repetitions";
    throw new CommandError(message, exitCodes.failed, { cause: error });
  }
}
