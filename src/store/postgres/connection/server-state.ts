/** What a server says of itself, and what is wrong with that. Pure. */

/** The answer to {@link stateQuery}. */
export interface ServerState {
  standby: boolean;
  read_only: string;
  fsync: string;
  full_page_writes: string;
  synchronous_commit: string;
  synchronous_standby_names: string;
  default_transaction_isolation: string;
  server_encoding: string;
  version: string;
  version_num: number;
  /** When the server was started, in microseconds since 1970. */
  started_us: number;
  /** The time of its clock, in microseconds since 1970. */
  now_us: number;
}

const settings = [
  "fsync",
  "full_page_writes",
  "synchronous_commit",
  "synchronous_standby_names",
  "default_transaction_isolation",
  "server_encoding",
];

/** One statement, so that PgBouncer cannot answer a part of it from another server. */
export const stateQuery = `select pg_is_in_recovery() as standby,
  current_setting('transaction_read_only') as read_only,
  ${settings.map((name) => `current_setting('${name}') as ${name}`).join(",\n  ")},
  current_setting('server_version') as version,
  current_setting('server_version_num')::int as version_num,
  (extract(epoch from pg_postmaster_start_time()) * 1e6)::int8 as started_us,
  (extract(epoch from clock_timestamp()) * 1e6)::int8 as now_us`;

/** The timeline grows by one at each promotion. Some managed services refuse to say. */
export const timelineQuery =
  "select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int8 as timeline";

const oldestVersion = 150_000;

/** Why the server cannot be written to at present; undefined if it can. */
export function notPrimary({ standby, read_only }: ServerState): string | undefined {
  if (standby) return "it is a standby, not the primary";
  return read_only === "on" ? "it is read only (default_transaction_read_only)" : undefined;
}

/** Why sessions cannot be kept in this database at all; undefined if they can. */
export function unfit(state: ServerState): string | undefined {
  const { version, version_num, server_encoding, default_transaction_isolation } = state;
  if (version_num < oldestVersion) return `PostgreSQL 15 or newer is needed, and the server is ${version}`;
  if (server_encoding !== "UTF8") {
    return `the encoding of the database is ${server_encoding}: create it with ENCODING 'UTF8' TEMPLATE template0`;
  }
  return default_transaction_isolation === "read committed"
    ? undefined
    : `default_transaction_isolation is ${default_transaction_isolation} for this role or database: reset it there`;
}

/** Why an acknowledged change may be lost, and what to set; undefined if it is durable. */
export function unsafe(state: ServerState): string | undefined {
  const wrong = [
    ...(["fsync", "full_page_writes"] as const)
      .filter((name) => state[name] !== "on")
      .map((name) => `set ${name} = on, which is ${state[name]}`),
    ...(state.synchronous_commit === "off"
      ? ["set synchronous_commit = on, which is off (also look at the role and the database)"]
      : []),
  ];
  if (wrong.length === 0) return undefined;
  return `the database would lose acknowledged changes in a crash: ${wrong.join("; ")}`;
}

/**
 * `quorum`: a standby has each acknowledged change on its disk. `local` and `remote_write` do not wait for
 * that, so such a change outlives a crash of the server, and maybe not its loss.
 */
export function durabilityOf(state: ServerState): "node" | "quorum" {
  const waits = ["on", "remote_apply"].includes(state.synchronous_commit);
  return waits && state.synchronous_standby_names.trim() !== "" ? "quorum" : "node";
}
