/** Prints errors for people: what went wrong, and what to do next. */
import { ConnectionError } from "../client/http/connection-error.ts";
import { type Issue, SessiondError } from "../error.ts";
import { safeLines } from "../text/safe.ts";
import { goneDirectory, isGoneDirectory } from "../working-directory.ts";
import { CommandError } from "./exit-code.ts";
import type { Output } from "./output.ts";
import { safe } from "./terminal-text.ts";

/** What to do next, by error code, for errors whose message does not say so itself. */
const advice: Readonly<Record<string, string>> = {
  invalid_session_id: "choose another id",
  session_not_found: "to see all sessions: sessionctl list",
  session_deleted: "to see what can be restored: sessionctl trash ls",
  session_exists: "choose another id",
  invalid_transition: "to see its status: sessionctl list",
  lease_held: "stop the attached worker first",
  lease_lost: "attach to the session again",
  not_claimed: "to see who works on the session: sessionctl show",
  approval_required: "to see the plan as it is now, add --dry-run in place of --approve",
  revision_mismatch: "somebody else has changed the session: look at it, then try again",
  payload_too_large:
    "raise that limit, or send the session in parts: create it with the first part, " +
    "then report the others with progress and --added-from",
  session_corrupt: "to see what is wrong and how to repair it: sessionctl doctor",
  storage_full: "nothing was changed; free some disk space, then try again",
  storage_failed: "to see why: sessionctl status, and the log of sessiond",
  storage_unavailable: "try again when it can be used again; to see what is wrong: sessionctl status",
  shutting_down: "try again in a moment",
  internal: "see the log of sessiond",
};

/** Prints what went wrong and what to do next. Only an error that is a bug is printed with its stack. */
export function complainAbout(out: Output, error: unknown, about?: string): void {
  const prefix = about === undefined ? "" : `${safe(about)}: `;
  if (error instanceof SessiondError || error instanceof ConnectionError || error instanceof CommandError) {
    out.complain(prefix + (error instanceof SessiondError ? withAdvice(error) : safe(error.message)));
    if ("issues" in error) listIssues(out, error.message, error.issues ?? []);
  } else if (isGoneDirectory(error)) out.complain(prefix + goneDirectory);
  else {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    out.complain(
      `${prefix}this is a bug in sessionctl; please report it with the following lines\n${safeLines(stack)}`,
    );
  }
}

/** Lists the issues that the message does not contain; it usually contains the first one. */
function listIssues(out: Output, said: string, issues: readonly Issue[]): void {
  if (issues.length === 1 && said.includes((issues[0] as Issue).message)) return;
  for (const { path, message } of issues) {
    const line = path === "" ? message : `${path}: ${message}`;
    if (!said.includes(` ${line}`)) out.complain(`  ${safe(line)}`);
  }
}

function withAdvice(error: SessiondError): string {
  const what = safe(error.message);
  if (error.outcome === "unknown")
    return `${what}; the change may have been made: check before you try again`;
  const next = Object.hasOwn(advice, error.code) ? advice[error.code] : undefined;
  return next === undefined || what.includes("; ") ? what : `${what}; ${next}`;
}
