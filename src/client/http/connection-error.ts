/** Errors of the connection to the daemon, with advice for each cause. */
import { existsSync } from "node:fs";
import {
  defaultSessionsDir,
  maxSocketPathBytes,
  ownSocketPaths,
  serviceSocketPath,
} from "../../contract/socket-path.ts";
import { systemErrorCode } from "../../error.ts";
import { shownWord } from "../../text/shell-quote.ts";
import { workingDirectory } from "../../working-directory.ts";
import { refusedAccess } from "./socket-access.ts";

/** A daemon listens at one of the default sockets unless it is told otherwise. */
function startAdvice(socketPath: string): string {
  if (
    socketPath === serviceSocketPath ||
    ownSocketPaths(process.env, workingDirectory()).includes(socketPath)
  ) {
    return "start it with: sessiond (or, if it is installed as a service: sudo systemctl start sessiond)";
  }
  return `start it with: sessiond --socket ${shownWord(socketPath)}`;
}

/**
 * Why a call failed: there is no socket (`missing`), no process listens (`refused`), the socket may not be
 * used (`not_permitted`), no daemon could be started (`not_started`), somebody stopped it on purpose
 * (`stopped`), there was no reply in time (`timed_out`), the connection ended before the reply (`closed`), or
 * another program answered (`not_sessiond`).
 */
export type ConnectionReason =
  | "missing"
  | "refused"
  | "not_permitted"
  | "not_started"
  | "stopped"
  | "timed_out"
  | "closed"
  | "not_sessiond";

export interface ConnectionErrorDetails {
  cause?: unknown;
  /** `unknown` if the daemon may have carried out the request. Default: `not_applied`. */
  outcome?: "not_applied" | "unknown";
}

/**
 * Thrown if the daemon cannot be reached or its reply does not arrive. The message names the socket and the
 * cause, and says what to do.
 *
 * @example
 * try {
 *   await client.getInfo();
 * } catch (error) {
 *   if (error instanceof ConnectionError && error.reason === "missing") startTheDaemon();
 * }
 */
export class ConnectionError extends Error {
  readonly code: "daemon_unreachable" | "timed_out";
  readonly reason: ConnectionReason;
  /** The path of the socket that was tried. */
  readonly socketPath: string;
  /** `unknown` if the daemon may have carried out the request, else `not_applied`. */
  readonly outcome: "not_applied" | "unknown";

  constructor(
    reason: ConnectionReason,
    socketPath: string,
    message: string,
    details: ConnectionErrorDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "ConnectionError";
    this.code = reason === "timed_out" ? "timed_out" : "daemon_unreachable";
    this.reason = reason;
    this.socketPath = socketPath;
    this.outcome = details.outcome ?? "not_applied";
  }
}

/** The error for a request that failed below HTTP. `sent` says whether any part of it may have arrived. */
export function connectionError(
  error: Error,
  socketPath: string,
  { sent }: { sent: boolean },
): ConnectionError {
  const code = systemErrorCode(error);
  const details = { cause: error, outcome: sent ? "unknown" : "not_applied" } as const;
  const fail = (reason: ConnectionReason, message: string) =>
    new ConnectionError(reason, socketPath, message, details);
  if (code?.startsWith("HPE_")) {
    return fail(
      "not_sessiond",
      `the process that listens at ${socketPath} does not speak HTTP; check that this is the socket of sessiond`,
    );
  }
  if (sent) {
    return fail(
      "closed",
      `sessiond closed the connection at ${socketPath} without an answer; check whether the change was made, then try again`,
    );
  }
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return fail("missing", `sessiond is not running: ${missingSocket(socketPath)}`);
    case "ECONNREFUSED":
      return fail(
        "refused",
        `sessiond is not running: no process listens at ${socketPath}; ${startAdvice(socketPath)}`,
      );
    case "EACCES":
    case "EPERM":
      return fail(
        "not_permitted",
        `no permission to use the socket ${socketPath}: ${refusedAccess(socketPath)}`,
      );
    case "EAGAIN":
      return fail(
        "refused",
        `too many clients wait to connect to sessiond at ${socketPath}; try again later`,
      );
    default:
      return fail("refused", `cannot connect to sessiond at ${socketPath}: ${error.message}; see its log`);
  }
}

/** If the client has looked for a store and for the user's own sockets first, those are missing too. */
function missingSocket(socketPath: string): string {
  const isLastPlace =
    socketPath === serviceSocketPath &&
    !ownSocketPaths(process.env, workingDirectory()).some((path) => existsSync(path));
  if (!isLastPlace)
    return `there is no socket at ${socketPath}; ${startAdvice(socketPath)}, or set SESSIOND_SOCKET to its socket`;
  return (
    `there is no ${defaultSessionsDir} here or above, and no service at ${socketPath}; ` +
    "sessionctl run and sessionctl create make one and start its daemon; " +
    "to start an installed service: sudo systemctl start sessiond"
  );
}

/** The error for an answer that sessiond would not give. `evidence` is a clause such as "it sent no JSON". */
export function notSessiond(socketPath: string, evidence: string): ConnectionError {
  return new ConnectionError(
    "not_sessiond",
    socketPath,
    `the process that listens at ${socketPath} is not sessiond (${evidence}); check that this is the right socket`,
    { outcome: "unknown" },
  );
}

export function timedOut(socketPath: string, timeoutMs: number, cause?: unknown): ConnectionError {
  return new ConnectionError(
    "timed_out",
    socketPath,
    `sessiond at ${socketPath} did not answer within ${timeoutMs} ms; see its log, or allow more time`,
    { cause, outcome: "unknown" },
  );
}

/** @throws ConnectionError for a path that is too long, which the system would silently truncate */
export function checkSocketPath(socketPath: string): void {
  const bytes = Buffer.byteLength(socketPath);
  if (bytes > maxSocketPathBytes) {
    throw new ConnectionError(
      "missing",
      socketPath,
      `the socket path ${socketPath} has ${bytes} bytes, but a socket path can have at most ${maxSocketPathBytes}; use a shorter path`,
    );
  }
}
