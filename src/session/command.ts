/**
 * Defines each change of a session, as a pure function of (session, command, now). Every store runs the same
 * function, and only decides how the outcome becomes durable.
 */
import { SessiondError } from "../error.ts";
import type { JsonObject } from "../json/exact-json.ts";
import { assertMayAdd } from "./additions.ts";
import { type Requeue, requeue } from "./requeue.ts";
import { changeRun, type RunChanges } from "./run-memory.ts";
import type { Session, Status } from "./session.ts";
import { nextStatus, type Verb, verbFor } from "./transition.ts";

export type Command =
  | { type: "transition"; verb: Verb; reason?: string | undefined }
  | { type: "set_status"; status: Status; reason?: string | undefined }
  | { type: "progress"; delta: ProgressDelta }
  | { type: "checkpoint"; checkpoint: Checkpoint }
  | ({ type: "requeue" } & Requeue)
  /** `isRestored`: the document was stored before, so the limits of requests do not bind it. */
  | { type: "save"; session: Session; isRestored?: boolean }
  | ({ type: "edit" } & Edit);

export interface Edit {
  labels?: LabelChanges | undefined;
  /** Whether the session is protected from cleanup. */
  pinned?: boolean | undefined;
  run?: RunChanges | undefined;
}

/** A report of progress: files that are done, what was found in them, and new files that need work. */
export interface ProgressDelta {
  processed?: readonly string[] | undefined;
  results?: JsonObject | undefined;
  added?: readonly string[] | undefined;
}

/** Both file lists as they are to be. Results are merged by key. */
export interface Checkpoint {
  processed_files: readonly string[];
  pending_files: readonly string[];
  partial_results?: JsonObject | undefined;
}

/** Labels to set; null removes a label. */
export type LabelChanges = Readonly<Record<string, string | null>>;

/**
 * Returns the session after a command. Lists and results that the command does not touch stay the same
 * objects.
 *
 * @throws SessiondError `invalid_transition`, `invalid_request`
 */
export function applyCommand(session: Session, command: Command, now: string): Session {
  switch (command.type) {
    case "transition":
      return withStatus(session, nextStatus(session.status, command.verb), command.reason, now);
    case "set_status":
      if (session.status === command.status) return session;
      return withStatus(
        session,
        nextStatus(session.status, verbFor(session.status, command.status)),
        command.reason,
        now,
      );
    case "progress":
      return { ...session, ...applyProgress(session, command.delta), checkpoint_time: now };
    case "checkpoint":
      return {
        ...session,
        processed_files: command.checkpoint.processed_files,
        pending_files: command.checkpoint.pending_files,
        partial_results: mergeResults(session.partial_results, command.checkpoint.partial_results),
        checkpoint_time: now,
      };
    case "requeue":
      return requeue(session, command, now);
    case "save":
      if (!command.isRestored) assertMayAdd(command.session, session);
      return replaceDocument(session, command.session);
    case "edit":
      return edit(session, command);
  }
}

function withStatus(session: Session, status: Status, reason: string | undefined, now: string): Session {
  const { status_reason: _, ...rest } = session;
  const next = { ...rest, status, checkpoint_time: now } as Session;
  return reason === undefined ? next : { ...next, status_reason: reason };
}

/**
 * Moves files from pending to processed in the order given, merges results by key, and appends added files to
 * pending unless they are in a list already. Applying a delta twice is the same as applying it once.
 */
export function applyProgress(
  session: Pick<Session, "processed_files" | "pending_files" | "partial_results">,
  delta: ProgressDelta,
): Pick<Session, "processed_files" | "pending_files" | "partial_results"> {
  let { processed_files, pending_files } = session;
  const done = new Set(delta.processed);
  if (done.size > 0) {
    const known = new Set(processed_files);
    const fresh = [...done].filter((file) => !known.has(file));
    if (fresh.length > 0) processed_files = [...processed_files, ...fresh];
    if (pending_files.some((file) => done.has(file))) {
      pending_files = pending_files.filter((file) => !done.has(file));
    }
  }
  if (delta.added !== undefined && delta.added.length > 0) {
    const known = new Set(processed_files);
    for (const file of pending_files) known.add(file);
    const fresh = [...new Set(delta.added)].filter((file) => !known.has(file));
    if (fresh.length > 0) pending_files = [...pending_files, ...fresh];
  }
  return {
    processed_files,
    pending_files,
    partial_results: mergeResults(session.partial_results, delta.results),
  };
}

/** Spread copies `__proto__` as an ordinary key; assignment would not. */
function mergeResults(results: JsonObject, changes: JsonObject | undefined): JsonObject {
  return changes === undefined || Object.keys(changes).length === 0 ? results : { ...results, ...changes };
}

/**
 * Replaces the whole document, its checkpoint time included. Only the generation stays that of the stored
 * session. The revision is counted by the store.
 */
function replaceDocument(stored: Session, saved: Session): Session {
  if (saved.session_id !== stored.session_id) {
    throw new SessiondError("invalid_request", "the document names another session", {
      issues: [{ path: "session_id", message: `must be "${stored.session_id}"` }],
    });
  }
  const next = { ...saved };
  if (stored.generation !== undefined) next.generation = stored.generation;
  if (next.created_time === undefined && stored.created_time !== undefined)
    next.created_time = stored.created_time;
  return next;
}

function edit(session: Session, command: Edit): Session {
  const next = { ...session };
  if (command.pinned !== undefined) next.pinned = command.pinned;
  if (command.labels !== undefined) {
    const labels = { ...session.labels, ...command.labels };
    next.labels = Object.fromEntries(
      Object.entries(labels).filter((entry): entry is [string, string] => entry[1] !== null),
    );
  }
  if (command.run !== undefined) {
    const run = changeRun(session.run, command.run);
    if (run === undefined) delete next.run;
    else next.run = run;
  }
  if (command.labels !== undefined || command.run !== undefined) assertMayAdd(next, session);
  return next;
}
