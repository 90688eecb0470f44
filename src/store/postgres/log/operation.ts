/**
 * What a lost reply does. When a connection breaks after `commit` was sent, nobody knows whether the server
 * carried it out. Every transaction that changes sessions leaves its operation id in the database. So the
 * database is asked as soon as it is there again, and nothing is guessed.
 *
 * The look is a transaction that waits until the first one is over, however that ends: it takes a lock that
 * the first one has. It also writes, so that its own commit waits for a standby wherever commits do: a "yes"
 * is as durable as any other commit.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { isSessiondError } from "../../../error.ts";
import type { Database, Queryable } from "../connection/database.ts";

/**
 * For how long the caller of a change waits to hear whether it was made. After that it is told that this is
 * not known.
 */
const patienceMs = 10_000;
const pauseMs = 100;

/** Whether it is not known if a change was made. */
export function isUnknown(error: unknown): boolean {
  return isSessiondError(error, "storage_unavailable") && error.outcome === "unknown";
}

/**
 * Asks until there is an answer.
 *
 * @throws `lost`, the error that left the outcome unknown, if the database stays away
 */
export async function settle<T>(
  database: Database,
  lost: unknown,
  ask: (tx: Queryable) => Promise<T>,
): Promise<T> {
  const patience = AbortSignal.timeout(patienceMs);
  for (;;) {
    try {
      await database.whenAvailable(patience);
      return await database.transaction(ask);
    } catch (error) {
      if (patience.aborted) throw lost;
      if (!isSessiondError(error, "storage_unavailable", "storage_full")) throw error;
      await delay(pauseMs);
    }
  }
}

/** Whether an operation that writes rows of `changes` has committed. Its transaction is over. */
export async function hasChanged(tx: Queryable, op: string): Promise<boolean> {
  const rows = await tx.query("update sessiond.changes set at = at where op = $1 returning sid", [op]);
  return rows.length > 0;
}

/**
 * Runs a transaction that writes at least one row of `changes` with the operation id, and locks none of the
 * rows by which others settle. If its reply is lost, it is looked up, and run again if it was not applied.
 */
export async function operation<T>(
  database: Database,
  use: (tx: Queryable, op: string) => Promise<T>,
): Promise<T> {
  for (;;) {
    const op = randomUUID();
    const run: { transaction?: string; value?: T } = {};
    try {
      return await database.transaction(async (tx) => {
        const [row] = await tx.query<{ id: string }>("select pg_current_xact_id()::text as id");
        run.transaction = (row as { id: string }).id;
        run.value = await use(tx, op);
        return run.value;
      });
    } catch (error) {
      if (!isUnknown(error)) throw error;
      const isApplied = await settle(database, error, async (tx) => {
        await untilOver(tx, run.transaction as string);
        return hasChanged(tx, op);
      });
      if (isApplied) return run.value as T;
    }
  }
}

/** A server that took the place of another one may not know the transaction: then it is over. */
async function untilOver(tx: Queryable, transaction: string): Promise<void> {
  for (;;) {
    const [row] = await tx.query<{ runs: boolean }>(
      `select case when $1::xid8 < pg_snapshot_xmax(pg_current_snapshot())
         then pg_xact_status($1::xid8) = 'in progress' end as runs`,
      [transaction],
    );
    if (row?.runs !== true) return;
    await delay(pauseMs);
  }
}
