/** One transaction on one connection. */
import type { QueryResult } from "pg";
import type { Connection } from "./connection.ts";
import type { Parameter, Queryable } from "./database.ts";
import { callerError, isAnswer } from "./failure.ts";

export interface TransactionSettings {
  /** False: a snapshot to read from, in which nothing can be written. */
  readonly writes: boolean;
  /**
   * The server ends a transaction whose daemon says nothing for so long: it stands still, or its machine has
   * lost its power, and others wait for its locks. In milliseconds.
   */
  readonly mostIdleMs: number;
  /** As in TransactionOptions. */
  readonly opening?: readonly string[] | undefined;
}

/**
 * @throws SessiondError, whose outcome is `unknown` only if a commit was sent and no answer came
 */
export async function runTransaction<T>(
  connection: Connection,
  use: (tx: Queryable, opened: unknown[][]) => Promise<T>,
  { writes, mostIdleMs, opening = [] }: TransactionSettings,
): Promise<T> {
  let isOpen = false;
  const run = async (text: string, values?: readonly Parameter[]) => {
    try {
      return await connection.run(text, values);
    } catch (error) {
      throw callerError(error, false);
    }
  };
  const tx: Queryable = {
    async query<Row>(text: string, values: readonly Parameter[] = []) {
      if (!isOpen) throw new Error("the transaction has ended");
      return (await run(text, values)).rows as Row[];
    },
  };
  const mode = writes ? "read committed" : "repeatable read, read only";
  // For this transaction alone: a pool gives the connection to others after it.
  const limit = `set local idle_in_transaction_session_timeout = ${Math.ceil(mostIdleMs)}`;
  let result: T;
  try {
    const opened = await run([`begin isolation level ${mode}`, limit, ...opening].join("; "));
    isOpen = true;
    result = await use(tx, rowsOf(opened).slice(2));
    isOpen = false;
  } catch (error) {
    isOpen = false;
    // Nobody gets a connection with an open transaction.
    await connection.run("rollback").catch(() => connection.destroy());
    throw error;
  }
  const { command } = await connection.run("commit").catch((error: unknown) => {
    if (!isAnswer(error)) connection.destroy();
    throw callerError(error, writes);
  });
  // So the server answers if a statement had failed, whatever became of its error.
  if (command === "ROLLBACK")
    throw new Error("the transaction was rolled back: a statement of it had failed");
  return result;
}

/** Of several statements in one text, `pg` returns an array of results. */
function rowsOf(results: QueryResult | readonly QueryResult[]): unknown[][] {
  return ("rows" in results ? [results] : results).map(({ rows }) => rows);
}
