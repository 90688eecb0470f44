import { existsSync } from "node:fs";
import { maxSocketPathBytes, ownSocketPaths, serviceSocketPath } from "../../contract/socket-path.ts";
import { systemErrorCode } from "../../error.ts";
import { refusedAccess } from "./socket-access.ts";

const startAdvice =
  "start it with: sessiond (or, where it is installed as a service: sudo systemctl start sessiond)";

/**
 * Why the daemon could not be asked: no socket there, nobody listening, no permission, no reply in
 * time, the connection ended before the reply did, or something else than sessiond answered.
 */
export type ConnectionReason =
  | "missing"
  | "refused"
  | "not_permitted"
  | "timed_out"
  | "closed"
  | "not_sessiond";

export interface ConnectionErrorDetails {
  cause?: unknown;
  /** Whether the daemon may have carried the request out all the same. */
  outcome?: "not_applied" | "unknown";
}

/**
 * The daemon could not be reached, or its answer did not arrive. The message says which socket was
 * tried, why it failed and what to do.
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
  readonly socketPath: string;
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

/** The error for a request that failed below HTTP. `sent` tells whether any of it may have arrived. */
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
      `what answers at ${socketPath} does not speak HTTP; check that it is the socket of sessiond`,
    );
  }
  if (sent) {
    return fail(
      "closed",
      `sessiond closed the connection at ${socketPath} before it had answered; see whether the change was made, then try again`,
    );
  }
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return fail(
        "missing",
        `sessiond is not running: there is no socket at ${socketPath}${norElsewhere(socketPath)}; ${startAdvice}, or set SESSIOND_SOCKET to where it listens`,
      );
    case "ECONNREFUSED":
      return fail("refused", `sessiond is not running: nobody listens at ${socketPath}; ${startAdvice}`);
    case "EACCES":
    case "EPERM":
      return fail(
        "not_permitted",
        `no permission to use the socket ${socketPath}: ${refusedAccess(socketPath)}`,
      );
    case "EAGAIN":
      return fail("refused", `sessiond at ${socketPath} has too many callers waiting; try again later`);
    default:
      return fail("refused", `cannot connect to sessiond at ${socketPath}: ${error.message}; see its log`);
  }
}

/** The path of the service is the last one that is tried: people look for the others first. */
function norElsewhere(socketPath: string): string {
  if (
    socketPath !== serviceSocketPath ||
    ownSocketPaths(process.env, process.cwd()).some((path) => existsSync(path))
  )
    return "";
  return ", nor one of your own in $XDG_RUNTIME_DIR or below ./.sessions";
}

/** The error for an answer that only another program would give. `how` is what shows it. */
export function notSessiond(socketPath: string, how: string): ConnectionError {
  return new ConnectionError(
    "not_sessiond",
    socketPath,
    `what answers at ${socketPath} (${how}) is not sessiond; check that it is the right socket`,
    { outcome: "unknown" },
  );
}

export function timedOut(socketPath: string, timeoutMs: number, cause?: unknown): ConnectionError {
  return new ConnectionError(
    "timed_out",
    socketPath,
    `sessiond at ${socketPath} gave no answer within ${timeoutMs} ms; see whether it is overloaded (its log, sessionctl status), or allow more time`,
    { cause, outcome: "unknown" },
  );
}

/** @throws ConnectionError for a path that the system would cut short, and so miss */
export function checkSocketPath(socketPath: string): void {
  const bytes = Buffer.byteLength(socketPath);
  if (bytes > maxSocketPathBytes) {
    throw new ConnectionError(
      "missing",
      socketPath,
      `the socket path ${socketPath} has ${bytes} bytes, and no socket can have more than ${maxSocketPathBytes}; use a shorter path`,
    );
  }
}
