/** What a teller of events knows of the sessions, and what a list shows that it has missed. Pure. */
import type { ResetEvent, SessionEvent } from "../../contract/events.ts";
import type { SessionSummary, Status } from "../../session/session.ts";

/** The last that was told of a session. */
export interface Known {
  readonly status: Status;
  readonly revision: number;
}

/** Found by comparison, because no event told of it: there may have been more changes in between. */
export interface MissedEvent {
  readonly id: string;
  readonly time: string;
  readonly kind: "session.created" | "session.status" | "session.deleted";
  readonly missed: true;
  readonly session_id: string;
  readonly revision: number;
  /** After the event, or, if the session was deleted, before. */
  readonly status: Status;
  readonly status_reason: string | null;
  readonly from?: Status;
  readonly to?: Status;
  readonly processed_count?: number;
  readonly pending_count?: number;
  readonly pinned?: boolean;
  readonly checkpoint_time?: string;
}

/** The kinds of events from which the status of each session is known. */
export const statusKinds = ["session.created", "session.status", "session.deleted"] as const;

export class KnownSessions {
  readonly #sessions: Map<string, Known>;

  constructor(sessions: Iterable<readonly [id: string, known: Known]> = []) {
    this.#sessions = new Map(sessions);
  }

  ids(): Iterable<string> {
    return this.#sessions.keys();
  }

  entries(): Iterable<[string, Known]> {
    return this.#sessions;
  }

  /** Whether the event tells something new: a list may have shown it already. */
  isNew({ kind, session_id, revision }: SessionEvent): boolean {
    const known = this.#sessions.get(session_id);
    if (known === undefined) return true;
    return (kind !== "session.created" && kind !== "session.status") || revision > known.revision;
  }

  /** Notes what an event tells. */
  note({ kind, session_id, status, revision }: SessionEvent | MissedEvent): void {
    if (kind === "session.deleted") this.#sessions.delete(session_id);
    else if (kind === "session.created" || kind === "session.status") {
      this.#sessions.set(session_id, { status, revision });
    }
  }

  /** Notes a session as it is now, of which there is nothing to tell. */
  begin({ session_id, status, revision }: SessionSummary): void {
    this.#sessions.set(session_id, { status, revision });
  }

  /** Notes that a session is none of those that matter any more. */
  forget(id: string): void {
    this.#sessions.delete(id);
  }

  /** What has become of a session since; undefined if there is nothing to tell. */
  missed(now: SessionSummary, reset: ResetEvent): MissedEvent | undefined {
    const known = this.#sessions.get(now.session_id);
    // Within one session revisions only grow.
    const isOther = known === undefined || now.revision < known.revision;
    if (!isOther && known.status === now.status) return undefined;
    const head = { id: reset.id, time: reset.time, missed: true } as const;
    const facts = factsOf(now);
    return isOther
      ? { ...head, kind: "session.created", ...facts }
      : { ...head, kind: "session.status", ...facts, from: known.status, to: now.status };
  }

  /** The ids of the sessions that are known and not among these. */
  without(ids: ReadonlySet<string>): string[] {
    return [...this.#sessions.keys()].filter((id) => !ids.has(id));
  }

  /** The event that a known session is gone. */
  gone(id: string, reset: ResetEvent): MissedEvent {
    const { status, revision } = this.#sessions.get(id) as Known;
    const head = { id: reset.id, time: reset.time, missed: true } as const;
    return { ...head, kind: "session.deleted", session_id: id, revision, status, status_reason: null };
  }
}

function factsOf(summary: SessionSummary) {
  const { session_id, revision, status, status_reason } = summary;
  const { processed_count, pending_count, pinned, checkpoint_time } = summary;
  return {
    ...{ session_id, revision, status, status_reason },
    ...{ processed_count, pending_count, pinned, checkpoint_time },
  };
}
