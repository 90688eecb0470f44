/** Where the daemon of a store may listen, and which sockets a client of the store may use. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { lstatSync, type Stats, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { maxSocketPathBytes } from "../contract/socket-path.ts";
import { SessiondError, systemErrorCode } from "../error.ts";
import { makePath } from "../files/make-path.ts";
import { shellQuote } from "../text/shell-quote.ts";
import { effectiveUser } from "./own-store.ts";

const privateMode = 0o700;
const writtenByOthers = 0o022;
const sticky = 0o1000;

/**
 * The paths at which a daemon of the store may listen, the first choice first: in the store, where the path
 * fits into a socket address; in the runtime directory of the user, if `$XDG_RUNTIME_DIR` names one that is
 * the user's own, which it does not in containers, under cron and often after sudo; in a directory of the
 * user's own below the temporary one.
 *
 * @param store the real path of the directory of the sessions
 */
export function socketPlaces(store: string, env: NodeJS.ProcessEnv, user = effectiveUser()): string[] {
  const name = `${createHash("sha256").update(store).digest("hex").slice(0, 32)}.sock`;
  const runtime = env.XDG_RUNTIME_DIR ?? "";
  const temporary = env.TMPDIR ?? "";
  return [
    join(store, ".sessiond", "sessiond.sock"),
    ...(isAbsolute(runtime) && isPrivate(runtime, user) ? [join(runtime, "sessiond", name)] : []),
    ...[temporary, "/tmp"].filter(isAbsolute).map((above) => join(above, `sessiond-${user}`, name)),
  ].filter((path, at, all) => Buffer.byteLength(path) <= maxSocketPathBytes && all.indexOf(path) === at);
}

/**
 * Makes the directory of a socket outside the store, if it is missing, and checks that it is the user's
 * alone.
 *
 * @throws SessiondError `invalid_request` if it is not; the errors of the system
 */
export function preparePlace(socket: string, user = effectiveUser()): void {
  const directory = dirname(socket);
  makePath(directory, { mode: privateMode });
  if (isPrivate(directory, user) && (lstatSync(directory).mode & 0o077) === 0) return;
  const remedy = `move it away (mv ${shellQuote(directory)} ${shellQuote(`${directory}.old`)})`;
  throw new SessiondError(
    "invalid_request",
    `${directory} cannot hold the socket: it must be a directory of the user ${user} with the mode 0700; ` +
      `${remedy}, or set XDG_RUNTIME_DIR to a directory of your own`,
  );
}

/**
 * Chooses where a daemon of the store listens: the first place whose file system takes sockets, which not all
 * do that a machine or a container mounts.
 *
 * @throws SessiondError `invalid_request` if there is none
 */
export async function choosePlace(store: string, env: NodeJS.ProcessEnv): Promise<string> {
  let refusal: unknown;
  for (const place of socketPlaces(store, env)) {
    try {
      if (!place.startsWith(join(store, "/"))) preparePlace(place);
      await tryToListen(join(dirname(place), randomBytes(4).toString("hex")));
      return place;
    } catch (error) {
      refusal ??= error;
    }
  }
  if (refusal instanceof SessiondError) throw refusal;
  const message = `there is no place for the socket of ${store}: ${(refusal as Error).message}`;
  throw new SessiondError("invalid_request", message, { cause: refusal });
}

/** @throws the error of the system */
async function tryToListen(path: string): Promise<void> {
  const server = createServer();
  await once(server.listen(path), "listening");
  await promisify(server.close.bind(server))();
}

/**
 * Whether there is a socket of the user's own at a path, in a directory where nobody else can replace it. A
 * client connects to no other socket because a file told it to: who answers there could make up sessions.
 */
export function isOwnSocket(path: string, user = effectiveUser()): boolean {
  try {
    const socket = lstatSync(path);
    const directory = statSync(dirname(path));
    return socket.isSocket() && socket.uid === user && !mayBeReplaced(directory, user);
  } catch {
    return false;
  }
}

function mayBeReplaced({ uid, mode }: Stats, user: number): boolean {
  if (uid !== user && uid !== 0) return true;
  return (mode & writtenByOthers) !== 0 && (mode & sticky) === 0;
}

/** Whether it is a directory, not a link, that belongs to the user and that nobody else may write. */
function isPrivate(directory: string, user: number): boolean {
  try {
    const stats = lstatSync(directory);
    return stats.isDirectory() && stats.uid === user && (stats.mode & writtenByOthers) === 0;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return false;
  }
}
