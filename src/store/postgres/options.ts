/**
 * The options of the PostgreSQL store.
 *
 * The room store/postgres/ owns the backend that keeps sessions in PostgreSQL, for many daemons. It does not
 * know who asks.
 */

/** Where and how sessions are kept in PostgreSQL. */
export interface PostgresStorage {
  readonly kind: "postgres";
  /** A URL of libpq. It may have a password, so it is never shown: `Database.facts()` has what may be. */
  readonly url: string;
  /** How long a host may be silent until its leases end, in milliseconds. */
  readonly leaseTtlMs: number;
  /** How often to look for changes of other hosts that no notification told of, in milliseconds. */
  readonly pollIntervalMs: number;
  /** Where to listen for notifications, if not at `url`: past a PgBouncer, which passes none on. */
  readonly listenUrl?: string | undefined;
  /** `trust`: the operator vouches that what the database acknowledges is durable. */
  readonly durability: "check" | "trust";
}
