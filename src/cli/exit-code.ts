/** The exit codes of sessionctl, and which error leads to which. */
import { ConnectionError } from "../client/http/connection-error.ts";
import { StartRefused } from "../client/on-demand/start-daemon.ts";
import { type Issue, SessiondError } from "../error.ts";

/** Scripts rely on these codes; new ones may be added. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  noSuchSession: 4,
  notPermitted: 5,
  badConfiguration: 78,
  timedOut: 124,
  noSuchProgram: 127,
  interrupted: 130,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error of the command itself, with its own exit code. The message says what to do next. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  readonly issues: readonly Issue[] | undefined;

  constructor(
    message: string,
    exitCode: ExitCode = exitCodes.failed,
    details: { cause?: unknown; issues?: readonly Issue[] | undefined } = {},
  ) {
    super(message, { cause: details.cause });
    this.exitCode = exitCode;
    this.issues = details.issues;
  }
}

export function usageError(message: string): CommandError {
  return new CommandError(message, exitCodes.usage);
}

/** Exit codes by error code; any other error code means `failed`. */
const byErrorCode: Readonly<Record<string, ExitCode>> = {
  invalid_request: exitCodes.usage,
  invalid_session_id: exitCodes.usage,
  session_not_found: exitCodes.noSuchSession,
  session_deleted: exitCodes.noSuchSession,
  shutting_down: exitCodes.notRunning,
  daemon_unreachable: exitCodes.notRunning,
  timed_out: exitCodes.timedOut,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof StartRefused && error.exitStatus === exitCodes.badConfiguration)
    return exitCodes.badConfiguration;
  if (error instanceof ConnectionError && error.reason === "not_permitted") return exitCodes.notPermitted;
  if (error instanceof ConnectionError || error instanceof SessiondError) {
    return Object.hasOwn(byErrorCode, error.code) ? (byErrorCode[error.code] as ExitCode) : exitCodes.failed;
  }
  return exitCodes.failed;
}
