/**
 * The database as the rooms of the PostgreSQL store see it: statements, transactions, whether it can be
 * asked, and its clock.
 *
 * The room store/postgres/connection/ owns the connection to PostgreSQL: addresses, passwords, which server
 * is the primary, outages, durability, and the time of the database. It knows no table.
 */
import type { HealthProblem } from "../../../contract/replies.ts";
import type { Clock } from "../../../time/clock.ts";

/** What a statement may be given. A Buffer travels as bytea in binary, an array as an array of its items. */
export type Parameter = string | number | boolean | null | Buffer | readonly (string | number | null)[];

export interface Queryable {
  /**
   * Runs one statement. In its rows int8 is a number, bytea a Buffer, any other type what `pg` makes of it.
   *
   * @throws SessiondError `storage_unavailable`, `storage_full`; `DatabaseError` of `pg` otherwise
   *   of the server
   */
  query<Row>(text: string, values?: readonly Parameter[]): Promise<Row[]>;
}

export interface TransactionOptions {
  /** `snapshot`: repeatable read, read only. Otherwise read committed. */
  isolation?: "snapshot";
  /**
   * Statements without parameters, at least one, that are sent together with `begin`: one round trip for
   * all. `use` gets their rows, an array for each statement.
   */
  opening?: readonly string[];
}

/** Which database, and what is demanded of it. */
export interface DatabaseOptions {
  /** In the form of libpq. It may have a password. */
  readonly url: string;
  /** For notifications, if not `url`. */
  readonly listenUrl?: string | undefined;
  /** Heartbeats and time limits are parts of it, in milliseconds. */
  readonly leaseTtlMs: number;
  /** `trust`: the settings that make a commit durable are not looked at. */
  readonly durability: "check" | "trust";
}

/**
 * A statement outside of a transaction commits by itself. Every statement is unnamed, so that PgBouncer may
 * stand between in transaction mode. While the database is away every call fails at once.
 *
 * The `outcome` of an error is `unknown` if a commit was sent, or a statement that commits by itself and does
 * more than read, and no answer came. After any other error nothing was applied.
 */
export interface Database extends Queryable {
  /**
   * Runs `use` between `begin` and `commit`, on one connection; `rollback` if it throws. A transaction that
   * the server ended because of others (40001, 40P01) is run again, so `use` may be called more than once.
   */
  transaction<T>(
    use: (tx: Queryable, opened: unknown[][]) => Promise<T>,
    options?: TransactionOptions,
  ): Promise<T>;
  /**
   * Calls back at a notification on the channel, and whenever some may have been missed. Calling the function
   * that is returned ends that.
   */
  listen(channel: string, hint: () => void): () => void;
  /** Whether statements may be sent that write: the database is there, and safe. */
  readonly available: boolean;
  /** Resolves when the database is available: now, if it is. Rejects when the signal aborts. */
  whenAvailable(signal?: AbortSignal): Promise<void>;
  /** Calls back each time the database becomes available, and at once if it is. Ends by the function. */
  onConnected(listener: () => void): () => void;
  /**
   * The time of the database: its clock as measured at the last heartbeat, and this machine's monotonic clock
   * since. The clock of this machine does not matter. Before the first measurement it is the system clock.
   */
  readonly clock: Clock;
  /** Since when the database is available without a break, in milliseconds of `performance.now()`. */
  readonly availableSinceMs: number;
  health(): HealthProblem[];
  /** `durable`: "node", "quorum" or "unknown"; the version of the server, and whether it is there. */
  facts(): Record<string, unknown>;
  /** Ends all connections. What is under way fails. */
  close(): Promise<void>;
}
