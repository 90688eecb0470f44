/**
 * The options of the PostgreSQL store, in the `storage` section.
 *
 * The room store/postgres/ owns the backend that keeps sessions in PostgreSQL, for many daemons. It does not
 * know who asks.
 */
import { choiceOption, durationOption, textOption } from "../../options/kinds.ts";
import { parsePostgresUrl, UrlError } from "./connection/postgres-url.ts";

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
  /** The id of this host, in place of one that is made of the machine, its name and the socket. */
  readonly host?: string | undefined;
}

const maxHostBytes = 200;

function hostProblem(host: string): string | undefined {
  if (host.trim() === "") return "is empty; write a name, or leave it out to use the default";
  if (/\p{Cc}|\p{Surrogate}/u.test(host)) return "contains a control character; remove it";
  if (Buffer.byteLength(host) > maxHostBytes) return `is too long: at most ${maxHostBytes} bytes`;
  return undefined;
}

function urlOption() {
  return textOption("a URL such as postgres://sessiond@db.example.org/sessiond", (text) => {
    try {
      parsePostgresUrl(text);
      return undefined;
    } catch (error) {
      if (error instanceof UrlError) return error.message;
      throw error;
    }
  });
}

/** The keys that a store on PostgreSQL has. Only `postgres` has no default: it chooses this store. */
export const postgresKeys = {
  postgres: urlOption()
    .optional()
    .describe(
      "Keep the sessions in this PostgreSQL database, in place of sessions_dir: a URL as of libpq. " +
        "Several daemons may share the database.",
    )
    .meta({
      examples: ["postgres://sessiond@db.example.org/sessiond?sslmode=verify-full&sslrootcert=system"],
    }),
  lease_ttl: durationOption("1s", "5min")
    .prefault("15s")
    .describe("In PostgreSQL: how long a daemon may be silent until the leases of its workers end."),
  poll_interval: durationOption("100ms", "1min")
    .prefault("1s")
    .describe("In PostgreSQL: how often to look for changes of other daemons that no notification told of."),
  listen_url: urlOption()
    .optional()
    .describe(
      "In PostgreSQL: where to listen for notifications. Needed behind PgBouncer, which passes none on. " +
        "Default: the URL of storage.postgres.",
    )
    .meta({ examples: ["postgres://sessiond@db.example.org/sessiond"] }),
  durability: choiceOption(["check", "trust"])
    .prefault("check")
    .describe(
      "In PostgreSQL: check that what the database acknowledges is durable, or trust the operator that it is.",
    ),
  host: textOption("a name", hostProblem)
    .optional()
    .describe(
      "In PostgreSQL: the id by which this daemon finds its workers again after a restart. No two daemons may " +
        "have the same one. Default: made of the machine's id, its name and socket.path.",
    )
    .meta({ examples: ["web1"] }),
};

interface Written {
  postgres: string;
  lease_ttl: number;
  poll_interval: number;
  listen_url?: string | undefined;
  durability: "check" | "trust";
  host?: string | undefined;
}

export function postgresStorage(written: Written): PostgresStorage {
  const { postgres: url, lease_ttl, poll_interval, listen_url, durability, host } = written;
  return {
    kind: "postgres",
    url,
    leaseTtlMs: lease_ttl,
    pollIntervalMs: poll_interval,
    ...(listen_url === undefined ? {} : { listenUrl: listen_url }),
    durability,
    ...(host === undefined ? {} : { host }),
  };
}
