/** One transaction on one connection. */
import type { QueryResult } from "pg";
import type { Connection } from "./connection.ts";
import type { Parameter, Queryable } from "./database.ts";
import { callerError, isAnswer } from "./failure.ts";

/**
 * @param writes false: a snapshot to read from, in which nothing can be written
 * @throws SessiondError, whose outcome is `unknown` only if a commit was sent and no answer came
 */
export async function runTransaction<T>(
  connection: Connection,
  use: (tx: Queryable, opened: unknown[][]) => Promise<T>,
  writes: boolean,
  opening: readonly string[] = [],
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
  const begin = writes
    ? "begin isolation level read committed"
    : "begin isolation level repeatable read, read only";
  let result: T;
  try {
    const opened = await run([begin, ...opening].join("; "));
    isOpen = true;
    result = await use(tx, rowsOf(opened).slice(1));
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
