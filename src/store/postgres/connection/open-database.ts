/** Opens the database: finds the primary, and refuses what is wrong with it for good. */
import process from "node:process";
import { SessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import type { Access } from "./connection.ts";
import type { Database, DatabaseOptions } from "./database.ts";
import { failureOf } from "./failure.ts";
import { findPrimary } from "./find-primary.ts";
import { PostgresDatabase } from "./postgres-database.ts";
import { parsePostgresUrl, UrlError } from "./postgres-url.ts";
import { whyNot } from "./upkeep.ts";

/** Opening a connection takes at most this part of the time that a host may be silent. */
const connectPart = 0.4;
const [leastConnectMs, mostConnectMs] = [2000, 10_000];

export interface Opening {
  logger: Logger;
  /** Where passwords are named. By default that of the process. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Resolves also if the database is away.
 *
 * @throws SessiondError `invalid_request` for what somebody has to mend: the URL, a password, a file, the
 *   version or the encoding; `storage_unsafe`
 */
export async function openDatabase(options: DatabaseOptions, opening: Opening): Promise<Database> {
  const { url, listenUrl, leaseTtlMs, durability } = options;
  const { logger, env = process.env } = opening;
  const access = accessOf(url, leaseTtlMs, env);
  const database = new PostgresDatabase({
    access,
    listenAccess: listenUrl === undefined ? access : accessOf(listenUrl, leaseTtlMs, env),
    leaseTtlMs,
    isChecked: durability === "check",
    logger,
  });
  const condition = await database.open();
  const isRefused = condition.kind === "away" && failureOf(condition.error) === "refused";
  if (condition.kind !== "unsafe" && !isRefused) return database;
  await database.close();
  const why = whyNot(condition) ?? "";
  throw condition.kind === "away"
    ? new SessiondError("invalid_request", `storage.postgres: ${why}`, { cause: condition.error })
    : new SessiondError("storage_unsafe", `${why}; or vouch for it with storage.durability: trust`);
}

/**
 * Connects once to where notifications come from, if that is another place.
 *
 * @throws SessiondError `invalid_request` for what somebody has to mend; `storage_unavailable` if the server
 *   is away
 */
export async function checkListenUrl(
  { listenUrl, leaseTtlMs }: DatabaseOptions,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  if (listenUrl === undefined) return;
  const access = accessOf(listenUrl, leaseTtlMs, env);
  try {
    const { connection } = await findPrimary(access);
    connection.close();
  } catch (error) {
    const code = failureOf(error) === "refused" ? "invalid_request" : "storage_unavailable";
    throw new SessiondError(code, `storage.listen_url: ${(error as Error).message}`, { cause: error });
  }
}

function accessOf(text: string, leaseTtlMs: number, env: NodeJS.ProcessEnv): Access {
  try {
    const url = parsePostgresUrl(text);
    const ownMs = Math.min(Math.max(leaseTtlMs * connectPart, leastConnectMs), mostConnectMs);
    return { url, env, connectMs: url.connectTimeoutMs ?? ownMs };
  } catch (error) {
    if (!(error instanceof UrlError)) throw error;
    throw new SessiondError("invalid_request", `the URL of the database ${error.message}`);
  }
}
