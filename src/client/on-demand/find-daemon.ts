/** Decides which daemon a client talks to, and says why. */
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { defaultSessionsDir, ownSocketPaths, serviceSocketPath } from "../../contract/socket-path.ts";
import { shownWord } from "../../text/shell-quote.ts";
import { goneDirectory } from "../../working-directory.ts";
import { ConnectionError } from "../http/connection-error.ts";
import { type Daemon, managedDaemon } from "../http/daemon.ts";
import { isHomeOrAbove, isThere, nearestStore, whyNoStore } from "./find-store.ts";
import { notOwn } from "./make-store.ts";
import { StoreDaemon } from "./store-daemon.ts";

export interface FindOptions {
  readonly env: NodeJS.ProcessEnv;
  /** The working directory; undefined if it is gone. */
  readonly cwd: string | undefined;
  /** A socket that was named. */
  readonly socket?: string | undefined;
  /** A store that was named. */
  readonly store?: string | undefined;
  /** Whether the daemon of a store may be started. Default: true. */
  readonly mayStart?: boolean;
  /** Whether a store may be made where there is no daemon at all. Default: false. */
  readonly mayMake?: boolean;
  /** How long a daemon may take to say which store it serves, in milliseconds; 0 waits without limit. */
  readonly timeoutMs?: number | undefined;
  /** Called with what a person may want to know. */
  readonly say?: (line: string) => void;
}

export interface FoundDaemon {
  readonly daemon: Daemon;
  /** Why it is this one, such as "named by --socket". */
  readonly why: string;
  /** The store, if the daemon was found by its store. */
  readonly store?: string;
}

/**
 * The first of: the socket that was named, the store that was named, `$SESSIOND_SOCKET`, the nearest store,
 * the user's own service, the system service.
 *
 * @throws ConnectionError `not_permitted` for a store that was named and is not the user's own
 */
export function findDaemon(options: FindOptions): FoundDaemon {
  const [own] = ownSocketPaths(options.env, undefined);
  return (
    namedOrNearest(options) ?? (own !== undefined && existsSync(own) ? ownService(own) : systemService())
  );
}

function namedOrNearest(options: FindOptions): FoundDaemon | undefined {
  const { socket, store, env, cwd, say = () => {} } = options;
  if (socket !== undefined) return { daemon: managedDaemon(socket), why: "named by --socket" };
  if (store !== undefined) return namedStore(store, options);
  if (env.SESSIOND_SOCKET)
    return { daemon: managedDaemon(env.SESSIOND_SOCKET), why: "named by $SESSIOND_SOCKET" };
  if (cwd !== undefined) {
    const nearest = nearestStore(cwd, env);
    for (const { path, why } of nearest.passedOver) say(`${path} is not used: it ${why}`);
    if (nearest.store !== undefined) return ofStore(nearest.store, cwd, options);
  }
  return undefined;
}

function ownService(socket: string): FoundDaemon {
  return { daemon: managedDaemon(socket), why: "your own service: no store here or above" };
}

function systemService(): FoundDaemon {
  return { daemon: managedDaemon(serviceSocketPath), why: "the system service: no store here or above" };
}

/**
 * Finds the daemon for a command that may make a store. Where no daemon listens at all, that is the daemon of
 * a store in the working directory. The store is made when the daemon is first asked for something.
 *
 * @throws ConnectionError if there is no place for a store
 */
export async function findOrMakeDaemon(options: FindOptions): Promise<FoundDaemon> {
  const found = namedOrNearest(options) ?? (await serviceThatListens(options.env));
  if (found !== undefined) return found;
  const store = placeForStore(options);
  return { daemon: storeDaemon(store, options), why: "a new store: no daemon was found", store };
}

function ofStore(store: string, cwd: string, options: FindOptions): FoundDaemon {
  const isHere = store === join(cwd, defaultSessionsDir);
  if (!isHere) options.say?.(`using the store ${store}`);
  const why = isHere ? "the store of the working directory" : "the nearest store above the working directory";
  return { daemon: storeDaemon(store, options), why, store };
}

function namedStore(name: string, options: FindOptions): FoundDaemon {
  const { cwd } = options;
  if (!name.startsWith("/") && cwd === undefined) throw unreachable(name, goneDirectory);
  const store = resolve(cwd ?? "/", name);
  const problem = isThere(store) ? whyNoStore(store, options.env) : undefined;
  if (problem !== undefined) throw notOwn(store, problem);
  const within = join(store, defaultSessionsDir);
  if (existsSync(within) && !existsSync(join(store, ".sessiond")))
    throw unreachable(
      store,
      `${store} is no store, but has one; name that one: --store ${shownWord(within)}`,
    );
  return { daemon: storeDaemon(store, options), why: "named by --store", store };
}

function storeDaemon(store: string, options: FindOptions): StoreDaemon {
  const { env, mayStart = true, mayMake = false, timeoutMs, say = () => {} } = options;
  return new StoreDaemon(store, { env, mayStart, mayMake, timeoutMs, say });
}

/** A socket that a daemon has left behind, or that this user may not use, is no daemon. */
async function serviceThatListens(env: NodeJS.ProcessEnv): Promise<FoundDaemon | undefined> {
  const [own] = ownSocketPaths(env, undefined);
  if (own !== undefined && (await listens(own))) return ownService(own);
  return (await listens(serviceSocketPath)) ? systemService() : undefined;
}

function listens(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    // The queue of a daemon that is busy may be full.
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EAGAIN"));
  });
}

/** Where the store of the working directory would be. @throws ConnectionError if it must not be there */
function placeForStore({ env, cwd, mayStart = true }: FindOptions): string {
  if (!mayStart)
    throw unreachable(
      serviceSocketPath,
      "sessiond is not running, and --no-start forbids to start it for the working directory",
    );
  if (cwd === undefined) throw unreachable(serviceSocketPath, goneDirectory);
  const store = join(cwd, defaultSessionsDir);
  if (isHomeOrAbove(cwd, env))
    throw unreachable(
      store,
      "sessiond is not running, and a home directory and those above it get no store by themselves; " +
        "change to the directory of your files, or name a store with --store DIR",
    );
  const why = isThere(store) ? whyNoStore(store, env) : undefined;
  if (why !== undefined) throw notOwn(store, why);
  if (isForSomebodyElse(cwd, env))
    throw new ConnectionError(
      "not_permitted",
      store,
      `${cwd} is not root's, so that a store of root's does not belong there; leave out sudo, ` +
        "or name a store with --store DIR",
    );
  return store;
}

/** Whether root by sudo would leave its files in the directory of the user, who could not use them. */
function isForSomebodyElse(cwd: string, { SUDO_UID }: NodeJS.ProcessEnv): boolean {
  if (process.geteuid?.() !== 0 || SUDO_UID === undefined || SUDO_UID === "0") return false;
  return statSync(cwd).uid !== 0;
}

function unreachable(path: string, message: string): ConnectionError {
  return new ConnectionError("missing", path, message);
}
