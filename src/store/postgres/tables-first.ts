/**
 * The database, such that whoever asks it finds the tables: they are made or migrated before the first
 * statement, also if the database was away when the store was opened.
 */
import type { Database, Queryable } from "./connection/database.ts";
import { migrate, type Schema } from "./schema/migrate.ts";

export class TablesFirst implements Database {
  readonly #database: Database;
  #schema: Schema | undefined;
  #migrating: Promise<Schema> | undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  /** What is known of the tables; undefined before they were there. */
  get schema(): Schema | undefined {
    return this.#schema;
  }

  /**
   * Resolves when the tables are there.
   *
   * @throws SessiondError `storage_too_new`, `storage_unsafe`, `storage_unavailable`
   */
  prepare(): Promise<Schema> {
    this.#migrating ??= migrate(this.#database).then(
      (schema) => {
        this.#schema = schema;
        return schema;
      },
      (error: unknown) => {
        this.#migrating = undefined;
        throw error;
      },
    );
    return this.#migrating;
  }

  query: Database["query"] = (text, values) => {
    if (this.#schema !== undefined) return this.#database.query(text, values);
    return this.prepare().then(() => this.#database.query(text, values));
  };

  transaction: Database["transaction"] = <T>(
    use: (tx: Queryable, opened: unknown[][]) => Promise<T>,
    options?: Parameters<Database["transaction"]>[1],
  ) => {
    if (this.#schema !== undefined) return this.#database.transaction(use, options);
    return this.prepare().then(() => this.#database.transaction(use, options));
  };

  listen: Database["listen"] = (channel, hint) => this.#database.listen(channel, hint);

  get available(): boolean {
    return this.#database.available;
  }

  whenAvailable(signal?: AbortSignal): Promise<void> {
    return this.#database.whenAvailable(signal);
  }

  onConnected(listener: () => void): () => void {
    return this.#database.onConnected(listener);
  }

  get clock() {
    return this.#database.clock;
  }

  get availableSinceMs(): number {
    return this.#database.availableSinceMs;
  }

  health() {
    return this.#database.health();
  }

  facts() {
    return this.#database.facts();
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}
