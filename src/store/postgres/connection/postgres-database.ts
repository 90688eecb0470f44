/**
 * The database as `Database` promises it: statements and transactions over two pools, kept to one primary.
 */
import type { HealthProblem } from "../../../contract/replies.ts";
import { isSessiondError } from "../../../error.ts";
import { mayUseNetwork } from "../../../host/network.ts";
import type { Logger } from "../../../log.ts";
import { formatTimestamp, systemClock } from "../../../time/clock.ts";
import { type Access, Connection } from "./connection.ts";
import type { Database, Parameter, Queryable, TransactionOptions } from "./database.ts";
import { callerError, failureOf, unavailable } from "./failure.ts";
import type { Asked } from "./find-primary.ts";
import { Listener } from "./listener.ts";
import { Pool } from "./pool.ts";
import { shownUrl } from "./postgres-url.ts";
import { ServerClock } from "./server-clock.ts";
import { durabilityOf, type ServerState } from "./server-state.ts";
import { onlyReads } from "./statement.ts";
import { runTransaction } from "./transaction.ts";
import { type Condition, Upkeep, whyNot } from "./upkeep.ts";

/**
 * Changes and reads have connections of their own: commits that wait for a standby may take as long as it is
 * away, and reads go on meanwhile.
 */
const [mostWriters, mostReaders] = [8, 4];

/** From when on `health` tells of a commit that waits, in milliseconds. */
const longCommitMs = 10_000;

/** How often a statement is run again that others were in the way of. */
const mostAttempts = 20;

/** A daemon that works may be silent in the middle of a transaction while it makes a large document. */
const leastIdleMs = 5000;

export interface PostgresDatabaseOptions {
  readonly access: Access;
  readonly listenAccess: Access;
  readonly leaseTtlMs: number;
  readonly isChecked: boolean;
  readonly logger: Logger;
}

export class PostgresDatabase implements Database {
  readonly clock = new ServerClock(systemClock());
  readonly #options: PostgresDatabaseOptions;
  readonly #upkeep: Upkeep;
  readonly #writers: Pool;
  readonly #readers: Pool;
  readonly #listeners = new Set<Listener>();
  readonly #onConnected = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  /** When each statement or transaction that may commit was begun. */
  readonly #committing = new Set<{ sinceMs: number }>();
  #state: ServerState | undefined;
  #isClosed = false;
  #availableSinceMs = Number.POSITIVE_INFINITY;
  /** When the database went away, or became unsafe. */
  #since: string;

  constructor(options: PostgresDatabaseOptions) {
    this.#options = options;
    const { access, leaseTtlMs, isChecked } = options;
    this.#since = formatTimestamp(this.clock.now());
    this.#upkeep = new Upkeep({
      access,
      leaseTtlMs,
      isChecked,
      asked: (asked) => this.#take(asked),
      changed: (condition) => this.#change(condition),
    });
    const open = () => this.#open();
    const check = () => this.#upkeep.check();
    this.#writers = new Pool(open, mostWriters, check);
    this.#readers = new Pool(open, mostReaders, check);
  }

  open(): Promise<Condition> {
    return this.#upkeep.start();
  }

  async query<Row>(text: string, values: readonly Parameter[] = []): Promise<Row[]> {
    const writes = !onlyReads(text);
    return this.#again(async () => {
      const { rows } = await this.#using(writes, (connection) => connection.run(text, values), writes);
      return rows as Row[];
    });
  }

  async transaction<T>(
    use: (tx: Queryable, opened: unknown[][]) => Promise<T>,
    { isolation, opening }: TransactionOptions = {},
  ): Promise<T> {
    const writes = isolation !== "snapshot";
    const mostIdleMs = Math.max(this.#options.leaseTtlMs, leastIdleMs);
    return this.#again(() =>
      this.#using(
        writes,
        (connection) => runTransaction(connection, use, { writes, mostIdleMs, opening }),
        false,
      ),
    );
  }

  listen(channel: string, hint: () => void): () => void {
    const { access, listenAccess, leaseTtlMs, logger } = this.#options;
    const isApart = listenAccess !== access;
    const options = { access: listenAccess, checkMs: leaseTtlMs / 5, isApart, logger };
    const listener = new Listener(options, channel, hint);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      void listener.stop();
    };
  }

  get available(): boolean {
    return this.#upkeep.condition.kind === "ready" && !this.#isClosed;
  }

  whenAvailable(signal?: AbortSignal): Promise<void> {
    if (this.available) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.delete(go);
        reject(signal?.reason);
      };
      const go = () => {
        signal?.removeEventListener("abort", stop);
        resolve();
      };
      if (signal?.aborted) return stop();
      signal?.addEventListener("abort", stop, { once: true });
      this.#waiting.add(go);
    });
  }

  onConnected(listener: () => void): () => void {
    this.#onConnected.add(listener);
    if (this.available) listener();
    return () => this.#onConnected.delete(listener);
  }

  get availableSinceMs(): number {
    return this.#availableSinceMs;
  }

  #awayHint(): string {
    const isRemote = this.#options.access.url.hosts.some(({ host }) => !host.startsWith("/"));
    return isRemote && !mayUseNetwork()
      ? 'sessiond may not use the network here: "More hosts" in docs/postgres.md says how to let the service do it'
      : "see that it runs and can be reached; sessiond then goes on by itself";
  }

  health(): HealthProblem[] {
    const { condition } = this.#upkeep;
    const why = whyNot(condition);
    if (why !== undefined) {
      const isAway = condition.kind === "away";
      return [
        {
          code: isAway ? "storage_unavailable" : "storage_unsafe",
          message: `${isAway ? "the database is away" : "no change is taken"} since ${this.#since}: ${why}`,
          hint: isAway ? this.#awayHint() : "mend that; sessiond then goes on by itself",
          session_id: null,
        },
      ];
    }
    const [longest] = this.#committing;
    const waitedMs = longest === undefined ? 0 : performance.now() - longest.sinceMs;
    if (waitedMs < longCommitMs) return [];
    return [
      {
        code: "commits_wait",
        message: `a change has waited for the database for ${Math.floor(waitedMs / 1000)} s`,
        hint: "see whether a standby in synchronous_standby_names is away, or a lock is held",
        session_id: null,
      },
    ];
  }

  facts(): Record<string, unknown> {
    const state = this.#state;
    const { condition } = this.#upkeep;
    return {
      location: shownUrl(this.#options.access.url),
      available: this.available,
      ...(condition.kind === "ready" ? {} : { unavailable_since: this.#since }),
      durable: state === undefined ? "unknown" : durabilityOf(state),
      durability_checked: this.#options.isChecked,
      ...(state === undefined
        ? {}
        : { server_version: state.version, synchronous_commit: state.synchronous_commit }),
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#listeners].map((listener) => listener.stop()));
    await this.#upkeep.stop();
    this.#drop(unavailable("the database is closed", "not_applied"));
  }

  /** Runs a statement or a transaction again that the server ended because of others. */
  async #again<T>(attempt: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await attempt();
      } catch (error) {
        if (failureOf(error) !== "conflict") throw error;
        if (tries === mostAttempts)
          throw unavailable("too many others change the same", "not_applied", error);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * tries));
      }
    }
  }

  /** `commits`: what runs is a statement that commits by itself. */
  async #using<T>(writes: boolean, use: (one: Connection) => Promise<T>, commits: boolean): Promise<T> {
    this.#refuse(writes);
    const pool = writes ? this.#writers : this.#readers;
    const connection = await pool.acquire().catch((error: unknown) => {
      throw callerError(error, false);
    });
    const begun = { sinceMs: performance.now() };
    if (writes) this.#committing.add(begun);
    try {
      return await use(connection);
    } catch (error) {
      if (failureOf(error) === "away" || isSessiondError(error, "storage_unavailable")) this.#upkeep.check();
      throw callerError(error, commits);
    } finally {
      this.#committing.delete(begun);
      pool.release(connection);
    }
  }

  #refuse(writes: boolean): void {
    const { condition } = this.#upkeep;
    if (this.#isClosed) throw unavailable("the database is closed", "not_applied");
    if (condition.kind === "away") throw this.#awayError(condition.error);
    if (condition.kind === "unsafe" && writes) throw unavailable(condition.why, "not_applied");
  }

  #awayError(error: unknown): Error {
    const text = `the database is away since ${this.#since}: ${(error as Error).message}`;
    return unavailable(text, "not_applied", error);
  }

  async #open(): Promise<Connection> {
    const { host, condition } = this.#upkeep;
    if (host === undefined) throw this.#awayError(condition.kind === "away" ? condition.error : undefined);
    return Connection.open(host, this.#options.access);
  }

  #take(asked: Asked): void {
    this.clock.measure(asked.sentMs, asked.answeredMs, asked.state.now_us);
    const before = this.#state;
    this.#state = asked.state;
    const nowMs = performance.now();
    this.#writers.trim(nowMs);
    this.#readers.trim(nowMs);
    if (before === undefined || durabilityOf(before) === durabilityOf(asked.state)) return;
    this.#options.logger.warn(
      { durable: durabilityOf(asked.state) },
      "the database now keeps acknowledged changes in another way",
    );
  }

  #change(condition: Condition): void {
    const { logger } = this.#options;
    if (condition.kind === "ready") {
      this.#availableSinceMs = performance.now();
      logger.info(this.facts(), "the database is there");
      for (const go of [...this.#waiting]) {
        this.#waiting.delete(go);
        go();
      }
      for (const listener of [...this.#onConnected]) listener();
      return;
    }
    if (this.#availableSinceMs !== Number.POSITIVE_INFINITY) this.#since = formatTimestamp(this.clock.now());
    this.#availableSinceMs = Number.POSITIVE_INFINITY;
    logger.warn(
      `${condition.kind === "away" ? "the database is away" : "no change is taken"}: ${whyNot(condition)}`,
    );
    if (condition.kind === "away") this.#drop(this.#awayError(condition.error));
  }

  #drop(error: Error): void {
    this.#writers.drop(error);
    this.#readers.drop(error);
  }
}
