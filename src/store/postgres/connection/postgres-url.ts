/**
 * Reads a connection URL in the form of libpq (PostgreSQL documentation, section "Connection Strings"). Pure:
 * nothing is looked up, and no file is read. No message quotes a part of the URL that may be a password.
 */

/** The values of `sslmode` in libpq, weakest first. */
export const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof sslModes)[number];

/** One server that may be the primary. */
export interface Host {
  /** A name, an address, or the directory of a Unix socket, which begins with `/`. */
  readonly host: string;
  readonly port: number;
}

/** What a URL says. Undefined is what it leaves to a default. */
export interface PostgresUrl {
  readonly hosts: readonly Host[];
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly database: string | undefined;
  readonly sslMode: SslMode;
  /** A file of certificates, or `system` for those that the system trusts. */
  readonly sslRootCert: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  readonly passFile: string | undefined;
  readonly applicationName: string;
  readonly connectTimeoutMs: number | undefined;
}

/** What is wrong with a URL, for the person who wrote it. */
export class UrlError extends Error {}

/** Where Debian's servers have their socket, and so libpq as Debian builds it. */
export const defaultSocketDirectory = "/var/run/postgresql";
const defaultPort = 5432;
/** The longest that libpq takes for a whole number. */
const longestTimeoutSeconds = 2_147_483_647;

const parameters = [
  "host",
  "port",
  "user",
  "password",
  "dbname",
  "sslmode",
  "ssl",
  "sslrootcert",
  "sslcert",
  "sslkey",
  "passfile",
  "application_name",
  "connect_timeout",
  "target_session_attrs",
] as const;
type Name = (typeof parameters)[number];
type Given = Partial<Record<Name, string>>;

const encodeHint = "percent-encode a special character in the user's name or the password, such as %40 for @";

/** @throws UrlError */
export function parsePostgresUrl(text: string): PostgresUrl {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text);
  if (match === null) {
    throw new UrlError("must be a URL such as postgres://sessiond@db.example.org/sessiond");
  }
  const [, login, authority = "", database, query] = match;
  const given: Given = { ...readAuthority(authority), ...readLogin(login) };
  if (database !== undefined && database !== "") given.dbname = decode(database, "the database's name");
  Object.assign(given, readQuery(query));
  refuseOthers(given);
  return {
    hosts: hostsOf(given),
    user: given.user || undefined,
    password: given.password || undefined,
    database: given.dbname || undefined,
    ...tlsOf(given),
    passFile: given.passfile || undefined,
    applicationName: given.application_name || "sessiond",
    connectTimeoutMs: timeoutOf(given),
  };
}

/** The URL as it may be shown: without the password and the parameters. */
export function shownUrl({ hosts, user, database }: PostgresUrl): string {
  const login = user === undefined ? "" : `${encodeURIComponent(user)}@`;
  const places = hosts.map(({ host, port }) => `${shownHost(host)}${port === defaultPort ? "" : `:${port}`}`);
  return `postgres://${login}${places.join(",")}/${encodeURIComponent(database ?? user ?? "")}`;
}

function shownHost(host: string): string {
  return host.includes(":") ? `[${host}]` : encodeURIComponent(host);
}

/** A host and its port for people: `db:5432`, `/run/postgresql:5432`. */
export function hostName({ host, port }: Host): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function readLogin(login: string | undefined): Given {
  if (login === undefined) return {};
  const colon = login.indexOf(":");
  const user = decode(colon < 0 ? login : login.slice(0, colon), "the user's name");
  return colon < 0 ? { user } : { user, password: decode(login.slice(colon + 1), "the password") };
}

/** `host[:port],…`: as the parameters `host` and `port`, which have lists too. */
function readAuthority(authority: string): Given {
  if (authority === "") return {};
  if (authority.includes("@")) throw new UrlError(`has more than one @; ${encodeHint}`);
  const places = authority.split(",").map((place) => {
    const match = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(place);
    if (match === null) throw new UrlError("has a host that is no name and no address; write IPv6 as [::1]");
    const [, host = "", port = ""] = match;
    const name = host.startsWith("[") ? host.slice(1, -1) : decode(host, "the host");
    if (name.includes(",")) throw new UrlError("has a comma in the name of a host");
    return { host: name, port: decode(port, "the port") };
  });
  return {
    host: places.map(({ host }) => host).join(","),
    port: places.some(({ port }) => port !== "") ? places.map(({ port }) => port).join(",") : "",
  };
}

function readQuery(query: string | undefined): Given {
  const given: Given = {};
  if (query === undefined || query === "") return given;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    if (equals < 0) throw new UrlError("has a parameter without a value; write name=value after the ?");
    const name = decode(pair.slice(0, equals), "a parameter");
    if (!isParameter(name)) {
      const shown = /^\w{1,40}$/.test(name) ? `the parameter ${name}` : "a parameter";
      throw new UrlError(`has ${shown}, which is not supported; supported are ${parameters.join(", ")}`);
    }
    given[name] = decode(pair.slice(equals + 1), `the parameter ${name}`);
  }
  return given;
}

function isParameter(name: string): name is Name {
  return (parameters as readonly string[]).includes(name);
}

function decode(text: string, what: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new UrlError(`has a % in ${what} that is no percent-encoding of UTF-8; write %25 for %`);
  }
  if (decoded.includes("\0")) throw new UrlError(`has %00 in ${what}`);
  return decoded;
}

function refuseOthers({ target_session_attrs: target = "" }: Given): void {
  if (!["", "any", "read-write", "primary"].includes(target)) {
    throw new UrlError("has target_session_attrs, but sessiond always uses the primary; remove it");
  }
}

/** One port for each host, or one port for all. */
function hostsOf({ host = "", port = "" }: Given): Host[] {
  const hosts = host.split(",");
  const ports = port.split(",");
  if (ports.length > 1 && ports.length !== hosts.length) {
    throw new UrlError(
      `has ${hosts.length} hosts and ${ports.length} ports; write one port, or one for each`,
    );
  }
  return hosts.map((name, index) => ({
    host: name === "" ? defaultSocketDirectory : name,
    port: portOf(ports.length === 1 ? (ports[0] as string) : (ports[index] as string)),
  }));
}

function portOf(text: string): number {
  if (text === "") return defaultPort;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new UrlError(`has a port that is no number from 1 to 65535; ${encodeHint}`);
  return port;
}

function tlsOf({ sslmode, ssl, sslrootcert, sslcert, sslkey }: Given) {
  if (ssl !== undefined && ssl !== "true")
    throw new UrlError("has ssl, whose only value is true; use sslmode");
  const mode = sslmode || (ssl === "true" ? "require" : sslrootcert === "system" ? "verify-full" : "prefer");
  if (!(sslModes as readonly string[]).includes(mode)) {
    throw new UrlError(`has an unknown sslmode; write one of ${sslModes.join(", ")}`);
  }
  if (mode.startsWith("verify") && !sslrootcert) {
    throw new UrlError(`has sslmode=${mode}, which needs sslrootcert=FILE or sslrootcert=system`);
  }
  if (sslrootcert === "system" && mode !== "verify-full") {
    throw new UrlError("has sslrootcert=system, which is safe with sslmode=verify-full alone");
  }
  if (Boolean(sslcert) !== Boolean(sslkey))
    throw new UrlError("has only one of sslcert and sslkey; add the other");
  return {
    sslMode: mode as SslMode,
    sslRootCert: sslrootcert || undefined,
    sslCert: sslcert || undefined,
    sslKey: sslkey || undefined,
  };
}

/** libpq: whole seconds, at least 2 if any; 0 and less mean no limit, which is our default limit here. */
function timeoutOf({ connect_timeout: text = "" }: Given): number | undefined {
  if (text === "") return undefined;
  const seconds = /^-?\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= longestTimeoutSeconds))
    throw new UrlError("has a connect_timeout that is no number of seconds");
  return seconds <= 0 ? undefined : Math.max(2, seconds) * 1000;
}
