/**
 * Reads what systemd passes to a service in its environment: open sockets, and where to send notifications.
 *
 * The room daemon/systemd/ owns talking to systemd: inherited sockets, readiness, the watchdog. It does not
 * know what the daemon does.
 */
import { fstatSync } from "node:fs";
import { ConfigError } from "../../config/problem.ts";

export interface ServiceManager {
  /** The socket for notifications; undefined if the service manager wants none. */
  notifySocket: string | undefined;
  /** The process is killed after this time without a keep-alive message; undefined without a watchdog. */
  watchdogMs: number | undefined;
  sockets: InheritedSockets;
}

/** Descriptors of listening sockets that the service manager has opened. */
export interface InheritedSockets {
  control?: number;
  readOnly?: number;
}

/** `SD_LISTEN_FDS_START` of sd_listen_fds(3). */
const firstDescriptor = 3;
/** `FileDescriptorName=` of the read-only socket's unit. A socket of any other name is the control socket. */
const readOnlyName = "read";
const variables = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
] as const;

/**
 * Removes the variables from the environment, as child processes must not inherit them.
 *
 * @throws ConfigError for sockets that cannot be used
 */
export function takeServiceManager(env: NodeJS.ProcessEnv, pid: number = process.pid): ServiceManager {
  const given = Object.fromEntries(variables.map((name) => [name, env[name]]));
  for (const name of variables) delete env[name];
  const isWatched = given.WATCHDOG_PID === undefined || given.WATCHDOG_PID === String(pid);
  const watchdogMs = isWatched ? Math.floor(Number(given.WATCHDOG_USEC ?? 0) / 1000) : 0;
  const count = given.LISTEN_PID === String(pid) ? Number(given.LISTEN_FDS ?? 0) : 0;
  return {
    notifySocket: given.NOTIFY_SOCKET || undefined,
    watchdogMs: watchdogMs > 0 ? watchdogMs : undefined,
    sockets: inheritedSockets(count, (given.LISTEN_FDNAMES ?? "").split(":")),
  };
}

function inheritedSockets(count: number, names: readonly string[]): InheritedSockets {
  const sockets: InheritedSockets = {};
  for (let index = 0; index < count; index++) {
    const kind = names[index] === readOnlyName ? "readOnly" : "control";
    const descriptor = firstDescriptor + index;
    if (sockets[kind] !== undefined) {
      throw unusable(`more than one ${kind === "control" ? "control" : "read-only"} socket`);
    }
    if (!fstatSync(descriptor).isSocket()) throw unusable("a descriptor that is not a socket");
    sockets[kind] = descriptor;
  }
  return sockets;
}

function unusable(what: string): ConfigError {
  const advice = "keep one ListenStream= in sessiond.socket and one in sessiond-read.socket";
  const message = `systemd passed ${what}; ${advice}`;
  return new ConfigError([{ file: null, line: null, column: null, key: "LISTEN_FDS", message }]);
}
