/** Opens the connection to PostgreSQL. */
import { Pool, type PoolClient, types } from "pg";
import type { Logger } from "../../../log.ts";
import { microsPerMs } from "../../../time/clock.ts";
import type { Database, DatabaseOptions, Parameter, Queryable } from "./database.ts";
import { callerError, failureOf } from "./failure.ts";
import { onlyReads } from "./statement.ts";

const int8 = 20;

const parsers = {
  getTypeParser: ((oid: number, format?: "text" | "binary") =>
    oid === int8 && format !== "binary"
      ? Number
      : types.getTypeParser(oid, format as "text")) as typeof types.getTypeParser,
};

/** @throws SessiondError `storage_unsafe` */
export async function openDatabase(
  options: DatabaseOptions,
  { logger }: { logger: Logger },
): Promise<Database> {
  const pool = new Pool({ connectionString: options.url, max: 8, types: parsers, keepAlive: true });
  pool.on("error", (error) => logger.warn({ err: error }, "a connection to the database was lost"));
  const before = performance.now();
  const [row] = (await pool.query("select (extract(epoch from clock_timestamp()) * 1e6)::int8 as us")).rows;
  const offset = row.us - ((before + performance.now()) / 2) * microsPerMs;
  let last = 0;
  const since = performance.now();

  const on = (client: Pool | PoolClient, alone: boolean): Queryable["query"] => {
    return async <Row>(text: string, values: readonly Parameter[] = []) => {
      try {
        return (await client.query(text, values as unknown[])).rows as Row[];
      } catch (error) {
        throw callerError(error, alone && !onlyReads(text));
      }
    };
  };

  const attempt = async <T>(use: (tx: Queryable) => Promise<T>, begin: string): Promise<T> => {
    const client = await pool.connect().catch((error: unknown) => {
      throw callerError(error, false);
    });
    let isCommitting = false;
    try {
      await client.query(begin);
      const result = await use({ query: on(client, false) });
      isCommitting = true;
      await client.query("commit");
      client.release();
      return result;
    } catch (error) {
      if (isCommitting) client.release(true);
      else
        await client.query("rollback").then(
          () => client.release(),
          () => client.release(true),
        );
      throw failureOf(error) === "conflict" ? error : callerError(error, isCommitting);
    }
  };

  return {
    query: on(pool, true),
    async transaction(use, { isolation } = {}) {
      const level = isolation === "snapshot" ? "repeatable read, read only" : "read committed";
      for (;;) {
        try {
          return await attempt(use, `begin isolation level ${level}`);
        } catch (error) {
          if (failureOf(error) !== "conflict") throw error;
        }
      }
    },
    listen: () => () => {},
    available: true,
    whenAvailable: () => Promise.resolve(),
    onConnected(listener) {
      listener();
      return () => {};
    },
    clock: {
      now() {
        last = Math.max(last + 1, Math.round(performance.now() * microsPerMs + offset));
        return last;
      },
    },
    availableSinceMs: since,
    health: () => [],
    facts: () => ({ durable: "unknown" }),
    close: () => pool.end(),
  };
}
