/** Asks all hosts of a URL at once, and chooses the primary among them. */
import { type Access, Connection } from "./connection.ts";
import { AwayError, failureOf, RefusedError } from "./failure.ts";
import { type Host, hostName } from "./postgres-url.ts";
import { notPrimary, type ServerState, stateQuery, timelineQuery, unfit } from "./server-state.ts";

/** How long others may still answer once a primary is found, in milliseconds. */
const graceMs = 300;

/** A server that can be written to, and a connection to it. */
export interface Primary {
  readonly host: Host;
  readonly connection: Connection;
  readonly asked: Asked;
  /** The newest of a cluster has the highest; 0 if the server does not say. */
  readonly timeline: number;
}

/** The state of a server, and when it was asked and answered, in milliseconds of `performance.now()`. */
export interface Asked {
  readonly state: ServerState;
  readonly sentMs: number;
  readonly answeredMs: number;
}

export async function askState(connection: Connection): Promise<Asked> {
  const sentMs = performance.now();
  const { rows } = await connection.run(stateQuery);
  return { state: rows[0] as ServerState, sentMs, answeredMs: performance.now() };
}

/**
 * Of several primaries, that on the newest timeline: the others have come back after a failover, and nobody
 * told them. None on an older timeline than `newest` is used.
 *
 * @throws the most telling error: what somebody has to mend first
 */
export async function findPrimary(access: Access, newest = 0): Promise<Primary> {
  const { hosts } = access.url;
  const found: Primary[] = [];
  const failures: unknown[] = [];
  let isChosen = false;
  await new Promise<void>((resolve) => {
    let left = hosts.length;
    for (const host of hosts) {
      ask(host, access, hosts.length > 1)
        .then(
          (primary) => {
            if (isChosen) return primary.connection.close();
            found.push(primary);
            setTimeout(resolve, graceMs);
          },
          (error: unknown) => failures.push(error),
        )
        .finally(() => {
          if (--left === 0) resolve();
        });
    }
  });
  isChosen = true;
  found.sort((a, b) => b.timeline - a.timeline);
  const [best, ...others] = found;
  for (const { connection } of others) connection.close();
  if (best === undefined) throw mostTelling(failures);
  if (best.timeline === 0 || best.timeline >= newest) return best;
  best.connection.close();
  throw new AwayError(
    `${hostName(best.host)}: it is an old primary, on timeline ${best.timeline}; the newest was ${newest}`,
  );
}

/** What somebody has to mend, or else why each of the hosts is away. */
function mostTelling(failures: readonly unknown[]): unknown {
  const refused = failures.find((error) => failureOf(error) === "refused");
  const areAway = failures.every((error) => failureOf(error) === "away");
  if (refused !== undefined || failures.length === 1 || !areAway) return refused ?? failures[0];
  return new AwayError(failures.map((error) => (error as Error).message).join(", "), {
    cause: new AggregateError(failures),
  });
}

async function ask(host: Host, access: Access, hasOthers: boolean): Promise<Primary> {
  let connection: Connection | undefined;
  try {
    connection = await Connection.open(host, access);
    const asked = await within(access.connectMs, askState(connection));
    const why = unfit(asked.state);
    if (why !== undefined) throw new RefusedError(why);
    const unwritable = notPrimary(asked.state);
    if (unwritable !== undefined) throw new AwayError(unwritable);
    return { host, connection, asked, timeline: hasOthers ? await timelineOf(connection) : 0 };
  } catch (error) {
    connection?.destroy();
    throw named(error, host);
  }
}

async function timelineOf(connection: Connection): Promise<number> {
  try {
    const { rows } = await connection.run(timelineQuery);
    return Number(rows[0].timeline);
  } catch {
    return 0;
  }
}

/** The error with the name of the host in front, and all else that it tells. */
function named(error: unknown, host: Host): unknown {
  if (!(error instanceof Error)) return error;
  // The addresses of a name are tried together; then the error has one for each, and no message.
  const text = error instanceof AggregateError ? String((error.errors[0] as Error).message) : error.message;
  const name = hostName(host);
  error.message = text.includes(name) ? text : `${name}: ${text}`;
  return error;
}

/** Rejects if the answer takes longer. */
export function within<T>(limitMs: number, answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new AwayError(`no answer within ${Math.round(limitMs)} ms`));
    // In two halves: after a stop of this process, an answer that has come is read before the second.
    let timer = setTimeout(() => {
      timer = setTimeout(fail, limitMs / 2);
    }, limitMs / 2);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
