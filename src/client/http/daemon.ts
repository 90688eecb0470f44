/** What a client knows of the daemon that it talks to: where it listens, and how it comes to listen. */
import { ConnectionError } from "./connection-error.ts";

/**
 * What has become of a daemon whose socket no process answers: it listens (again); it is gone, and whoever
 * manages it may start it; or somebody stopped it on purpose.
 */
export type Revival = "listening" | "gone" | "stopped";

/** The daemon of one client, which all connections of that client share. */
export interface Daemon {
  /** Where it listens. A start may change the path. */
  readonly socketPath: string;
  /** Resolves when the daemon can be reached, which may mean to start it. Cheap after the first time. */
  ready?(): Promise<void>;
  /** Starts a daemon again that was killed, if it is one that clients start. */
  revive?(): Promise<Revival>;
}

/** A daemon that somebody else starts and stops, such as the system service. */
export function managedDaemon(socketPath: string): Daemon {
  return { socketPath };
}

/** Whether no process listens at the socket, so that the request cannot have arrived. */
export function isNobodyThere(error: unknown): boolean {
  return error instanceof ConnectionError && (error.reason === "missing" || error.reason === "refused");
}

/**
 * Has a daemon that was killed started again, after an error that says that nobody is there. Returns the
 * error with which to give up, if another attempt fails or must not be made.
 */
export async function revived(daemon: Daemon, error: Error): Promise<Error> {
  if (!isNobodyThere(error)) return error;
  try {
    if ((await daemon.revive?.()) !== "stopped") return error;
    const message = "sessiond was stopped; the next command starts it again";
    return new ConnectionError("stopped", daemon.socketPath, message);
  } catch (failed) {
    return failed as Error;
  }
}
