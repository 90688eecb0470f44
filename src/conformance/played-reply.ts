/** What the played daemon answers over HTTP: the few calls that a worker may make beside its channel. */
import { httpStatus, type Problem } from "../contract/errors.ts";
import type { ErrorCode } from "../error.ts";
import { stringifyJson } from "../json/exact-json.ts";
import type { Status } from "../session/session.ts";
import type { PlayedSession } from "./played-session.ts";

export interface PlayedReply {
  readonly status: number;
  readonly body: string;
  /** The status that the call gives the session. */
  readonly next?: Status;
}

const verbs: Readonly<Record<string, Status>> = {
  pause: "paused",
  resume: "running",
  complete: "completed",
  fail: "failed",
};

export function playedReply(method: string, path: string, session: PlayedSession): PlayedReply {
  const [, version, sessions, id, part, ...more] = decoded(path).split("/");
  if (version !== "v1" || sessions !== "sessions" || more.length > 0)
    return problem("session_not_found", "check-worker plays the routes below /v1/sessions/{id} alone");
  if (id !== session.id) return problem("session_not_found", `there is no session "${id}"`);
  const isRead = method === "GET" || method === "HEAD";
  if (isRead && part === undefined) return ok(session.document());
  if (isRead && part === "summary") return ok({ ...session.summary(), workers: [] });
  if (isRead && part === "files") {
    const files = [...session.pending];
    return ok({ files, next_cursor: null, total: files.length });
  }
  const next = method === "POST" ? verbs[part ?? ""] : undefined;
  if (next !== undefined) return { ...ok(session.summary()), next };
  return problem("lease_held", "while a worker is attached, progress is reported over its channel");
}

export function problem(code: ErrorCode, detail: string): PlayedReply {
  const status = httpStatus[code];
  const body: Problem = {
    type: `urn:sessiond:error:${code}`,
    title: code.replaceAll("_", " "),
    status,
    detail,
    code,
  };
  return { status, body: stringifyJson(body) };
}

/** The path with what is percent-encoded decoded; as it is if that is not possible. */
export function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function ok(value: unknown): PlayedReply {
  return { status: 200, body: stringifyJson(value) };
}
