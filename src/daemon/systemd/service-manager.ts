/** What systemd hands to a service in its environment: sockets, and where to report. */
import { fstatSync } from "node:fs";
import { ConfigError } from "../../config/problem.ts";

export interface ServiceManager {
  /** Where it waits for reports; undefined if nobody does. */
  notifySocket: string | undefined;
  /** Without a sign of life for this long the process is killed; undefined if nobody watches. */
  watchdogMs: number | undefined;
  sockets: InheritedSockets;
}

/** Descriptors of sockets that the service manager listens on for us. */
export interface InheritedSockets {
  control?: number;
  readOnly?: number;
}

/** Where the descriptors begin: `SD_LISTEN_FDS_START` of sd_listen_fds(3). */
const firstDescriptor = 3;
/** `FileDescriptorName=` of the socket unit for reading; every other one is for control. */
const readOnlyName = "read";
const ours = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_PID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
] as const;

/**
 * Takes the variables out of the environment, so that no child process takes them for its own.
 *
 * @throws ConfigError for sockets that nothing can be done with
 */
export function takeServiceManager(env: NodeJS.ProcessEnv, pid: number = process.pid): ServiceManager {
  const given = Object.fromEntries(ours.map((name) => [name, env[name]]));
  for (const name of ours) delete env[name];
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
      throw unusable(`passes more than one socket for ${kind === "control" ? "control" : "reading"}`);
    }
    if (!fstatSync(descriptor).isSocket()) throw unusable("passes something that is not a socket");
    sockets[kind] = descriptor;
  }
  return sockets;
}

function unusable(what: string): ConfigError {
  const message = `the service manager ${what}; leave one ListenStream= in sessiond.socket, and one in sessiond-read.socket`;
  return new ConfigError([{ file: null, line: null, column: null, key: "LISTEN_FDS", message }]);
}
