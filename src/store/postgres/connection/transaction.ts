/** One transaction on one connection. */
import type { Connection } from "./connection.ts";
import type { Parameter, Queryable } from "./database.ts";
import { callerError, isAnswer } from "./failure.ts";

/**
 * @param writes false: a snapshot to read from, in which nothing can be written
 * @throws SessiondError, whose outcome is `unknown` only if a commit was sent and no answer came
 */
export async function runTransaction<T>(
  connection: Connection,
  use: (tx: Queryable) => Promise<T>,
  writes: boolean,
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
  await run(
    writes ? "begin isolation level read committed" : "begin isolation level repeatable read, read only",
  );
  isOpen = true;
  let result: T;
  try {
    result = await use(tx);
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
