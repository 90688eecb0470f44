/** The status transitions: one table, and the verbs that name them. Pure. */
import { SessiondError } from "../error.ts";
import type { Status } from "./session.ts";

/**
 * By status, where each verb leads. A verb that is missing in a row is an `invalid_transition` from that
 * status. Complete and fail are possible from any status, also a second time.
 */
export const transitions = {
  running: { pause: "paused", complete: "completed", fail: "failed" },
  paused: { resume: "running", complete: "completed", fail: "failed" },
  completed: { complete: "completed", fail: "failed", reopen: "running" },
  failed: { complete: "completed", fail: "failed", reopen: "running" },
} as const satisfies Record<Status, Partial<Record<Verb, Status>>>;

export const verbs = ["pause", "resume", "complete", "fail", "reopen"] as const;
export type Verb = (typeof verbs)[number];

const leadsTo: Record<Verb, Status> = {
  pause: "paused",
  resume: "running",
  complete: "completed",
  fail: "failed",
  reopen: "running",
};

/** The status that a verb leads to. @throws SessiondError `invalid_transition`, naming both statuses */
export function nextStatus(from: Status, verb: Verb): Status {
  const row: Partial<Record<Verb, Status>> = transitions[from];
  const next = row[verb];
  if (next === undefined) {
    throw new SessiondError(
      "invalid_transition",
      `cannot ${verb} a session that is ${from}: a change from ${from} to ${leadsTo[verb]} is not allowed`,
    );
  }
  return next;
}

/** The verb that leads from one status to another, for callers that name the status and not the verb. */
export function verbFor(from: Status, to: Status): Verb {
  if (to === "running") return from === "completed" || from === "failed" ? "reopen" : "resume";
  return verbs.find((verb) => leadsTo[verb] === to) as Verb;
}
