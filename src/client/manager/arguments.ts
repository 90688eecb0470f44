/**
 * Checks the arguments of a SessionManager before a backend sees them, so that both refuse alike: with the
 * words of the daemon, and before anything is opened or sent.
 */
import { assertEachFileOnce } from "../../contract/requests.ts";
import { type Body, type RouteName, routes } from "../../contract/routes.ts";
import { type Issue, SessiondError } from "../../error.ts";
import { defaultMaxDepth, JsonError, parseJson, stringifyJson } from "../../json/exact-json.ts";
import { type Status, statuses } from "../../session/session.ts";
import { parseSessionId, sessionIdProblem } from "../../session/session-id.ts";
import { checkBody } from "../http/check-body.ts";

const dayMs = 86_400_000;
/** As a duration in text, which the daemon takes. */
const mostDays = 100_000;

/** @throws SessiondError `invalid_session_id` */
export function checkId(id: string): void {
  parseSessionId(id);
}

/**
 * Checks a document as far as it says which session it is. A backend checks the rest.
 *
 * @throws SessiondError `invalid_request`
 */
export function checkSaved(document: Body<"saveSession">): void {
  const isNamed =
    typeof document === "object" && document !== null && sessionIdProblem(document.session_id) === undefined;
  if (!isNamed) checkedBody("saveSession", document);
}

/** Checks that there is a report. A backend checks what it holds. @throws SessiondError `invalid_request` */
export function checkDelta(delta: Body<"reportProgress">): void {
  if (typeof delta !== "object" || delta === null) checkedBody("reportProgress", delta);
}

/** @throws SessiondError `invalid_request` */
export function checkStatus(status: Status): void {
  if (statuses.includes(status)) return;
  throw refused("status", `must be one of ${statuses.join(", ")}, not ${shown(status)}`);
}

/** @throws SessiondError `invalid_request` */
export function checkReason(reason: string | undefined): void {
  checkedBody("pauseSession", { reason });
}

/** @throws SessiondError `invalid_request` */
export function checkDirectory(directory: string | undefined): void {
  checkedBody("createBackup", { directory });
}

/** @throws SessiondError `invalid_request` */
export function checkCount(keepRecent: number): void {
  if (Number.isSafeInteger(keepRecent) && keepRecent >= 0) return;
  throw refused("keepRecent", `must be a whole number, 0 or more, not ${shown(keepRecent)}`);
}

/** Whole milliseconds; 0 only for 0 days. @throws SessiondError `invalid_request` */
export function ageOf(maxAgeDays: number): number {
  if (typeof maxAgeDays === "number" && maxAgeDays >= 0 && maxAgeDays <= mostDays)
    return maxAgeDays === 0 ? 0 : Math.max(1, Math.round(maxAgeDays * dayMs));
  throw refused("maxAgeDays", `must be a number from 0 to ${mostDays}, not ${shown(maxAgeDays)}`);
}

/** The plan that is approved, if any is. @throws SessiondError `invalid_request` */
export function approvalOf(options: { approve?: string | undefined }): string | undefined {
  if (typeof options !== "object" || options === null)
    throw refused("options", `must be an object, not ${shown(options)}`);
  const { approve } = options;
  checkedBody("runCleanup", { approve });
  return approve;
}

/** Makes a copy and checks it as the daemon checks a request. @throws SessiondError `invalid_request` */
export function checkedBody<Name extends RouteName>(name: Name, body: Body<Name>): Body<Name> {
  const copy = body === undefined ? body : copied(body, parseJson, defaultMaxDepth);
  checkBody(name, copy);
  return copy;
}

/** As `checkedBody`, for a body with file lists, in which each file must be named once. */
export async function checkedLists<Name extends RouteName>(
  name: Name,
  body: Body<Name>,
): Promise<Body<Name>> {
  const copy = checkedBody(name, body);
  await assertEachFileOnce(routes[name], copy);
  return copy;
}

/** @throws SessiondError `invalid_request` for a value that JSON cannot hold */
export function copied<T>(value: T, parse: typeof parseJson, maxDepth: number): T {
  try {
    return parse(stringifyJson(value, { maxDepth }), maxDepth) as T;
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", error.message, { cause: error });
  }
}

function refused(path: string, message: string): SessiondError {
  const issues: Issue[] = [{ path, message }];
  return new SessiondError("invalid_request", `${path} ${message}`, { issues });
}

/** An argument of a JavaScript caller, which may be anything. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
