/** Turns a change of the store into events. Pure. */
import { maxReasonLength, type SessionEvent, type updatedParts } from "../../contract/events.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { StoreChange } from "../../store/session-store.ts";

type Part = (typeof updatedParts)[number];

/** An event without its id and time. */
export type EventBody = WithoutHead<SessionEvent>;
type WithoutHead<Event> = Event extends unknown ? Omit<Event, "id" | "time"> : never;

/** The events for a change of a session that existed before and after. */
export interface Difference {
  /** Whether there is progress, which is announced at intervals and not at once. */
  progressed: boolean;
  events: EventBody[];
}

export function factsOf(summary: SessionSummary) {
  const { session_id, revision, status, status_reason, processed_count, pending_count } = summary;
  return {
    session_id,
    revision,
    status,
    status_reason: status_reason === null ? null : cut(status_reason),
    processed_count,
    pending_count,
    pinned: summary.pinned,
    checkpoint_time: summary.checkpoint_time,
  };
}

export function differences(
  before: SessionSummary,
  after: SessionSummary,
  origin: StoreChange["origin"],
): Difference {
  const outside = origin === "outside";
  const facts = { ...factsOf(after), outside };
  const hasNewStatus = before.status !== after.status;
  const hasNewCounts =
    before.processed_count !== after.processed_count || before.pending_count !== after.pending_count;
  const isAnother =
    before.revision !== after.revision || before.checkpoint_time !== after.checkpoint_time || hasNewCounts;
  const changed = changedParts(before, after, hasNewStatus);
  const isOnlyInside = isAnother && changed.length === 0 && !hasNewStatus && !hasNewCounts;
  // A report that changes only the document is progress. Any other change of the document is announced at
  // once.
  if (isOnlyInside && origin !== "report") changed.push("document");
  const events: EventBody[] = [];
  if (hasNewStatus) {
    events.push({ kind: "session.status", ...facts, from: before.status, to: after.status });
  }
  if (changed.length > 0) events.push({ kind: "session.updated", ...facts, changed });
  return { progressed: hasNewCounts || (isOnlyInside && origin === "report"), events };
}

function changedParts(before: SessionSummary, after: SessionSummary, hasNewStatus: boolean): Part[] {
  const parts: Part[] = [];
  if (!isSame(before.labels, after.labels)) parts.push("labels");
  for (const key of ["pinned", "target_path", "created_time", "generation"] as const) {
    if (before[key] !== after[key]) parts.push(key);
  }
  if (!hasNewStatus && before.status_reason !== after.status_reason) parts.push("status_reason");
  return parts;
}

function isSame(a: SessionSummary["labels"], b: SessionSummary["labels"]): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
  );
}

/** Shortens a text to {@link maxReasonLength}, but never in the middle of a surrogate pair. */
function cut(text: string): string {
  if (text.length <= maxReasonLength) return text;
  const end = text.slice(0, maxReasonLength);
  return end.isWellFormed() ? end : end.slice(0, -1);
}
