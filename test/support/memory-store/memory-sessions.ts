/** The sessions of a memory store and their index. Nothing here asks who may change what. */
import { SessiondError } from "../../../src/error.ts";
import {
  type Session,
  type SessionSummary,
  summarize,
  writtenRevision,
} from "../../../src/session/session.ts";
import type { FileLists } from "../../../src/session/working/file-lists.ts";
import { SessionIndex } from "../../../src/store/session-index.ts";
import type { Gone, StoredSession } from "../../../src/store/session-store.ts";
import { KeptSession } from "./kept-session.ts";
import { bytesOf, type Memory } from "./memory.ts";

export class MemorySessions {
  /** Called when a document took the place of another one, with its lists. */
  onReplaced: (id: string, files: FileLists) => void = () => {};
  /** Called when a session is gone. */
  onGone: (id: string) => void = () => {};
  readonly index = new SessionIndex();
  readonly #sessions: Map<string, KeptSession>;
  readonly #isInTrash: (id: string) => boolean;
  /** The last revisions of sessions that went in this run, so that none is given out twice. */
  readonly #past = new Map<string, number>();

  constructor({ sessions }: Memory, isInTrash: (id: string) => boolean) {
    this.#sessions = sessions;
    this.#isInTrash = isInTrash;
    for (const { session } of sessions.values()) this.index.set(summaryOf(session));
  }

  has(id: string): boolean {
    return this.index.has(id);
  }

  /** @throws SessiondError `session_not_found`, `session_deleted` */
  get(id: string): KeptSession {
    const kept = this.#sessions.get(id);
    if (kept === undefined) throw this.#missing(id);
    return kept;
  }

  /** Tells the reports that were not told yet. @throws as `get` */
  summary(id: string): SessionSummary {
    const summary = this.index.get(id);
    if (summary === undefined) throw this.#missing(id);
    return summary;
  }

  /** As `summary`. */
  stored(id: string): StoredSession {
    return { summary: this.summary(id), session: this.get(id).session };
  }

  /** Puts a session in place that is not there, at a revision that no earlier one of its id had. */
  add(session: Session): StoredSession {
    const revision = Math.max(writtenRevision(session), (this.#past.get(session.session_id) ?? 0) + 1);
    return this.put({ ...session, revision });
  }

  /** As `add`, of one that comes back: if no other had its id meanwhile, it is as it was. */
  giveBack(session: Session): StoredSession {
    const last = this.#past.get(session.session_id) ?? session.revision;
    return last === session.revision ? this.put(session) : this.add(session);
  }

  /** At the revision that it has. */
  put(session: Session): StoredSession {
    const summary = summaryOf(session);
    const kept = new KeptSession(session);
    this.#sessions.set(session.session_id, kept);
    this.index.set(summary);
    this.onReplaced(session.session_id, kept.files);
    return { session, summary };
  }

  /** A session was reported on, which is told when somebody looks. */
  reported(id: string, kept: KeptSession): void {
    this.index.defer(id, () => summaryOf(kept.session));
  }

  takeOut({ session_id, revision }: SessionSummary, cause: Gone["cause"]): void {
    this.#sessions.delete(session_id);
    this.onGone(session_id);
    this.#past.set(session_id, revision);
    this.index.delete(session_id, { cause, restorable: this.#isInTrash(session_id) });
  }

  #missing(id: string): SessiondError {
    return this.#isInTrash(id)
      ? new SessiondError("session_deleted", `session "${id}" was deleted and is in the trash`)
      : new SessiondError("session_not_found", `there is no session "${id}"`);
  }
}

function summaryOf(session: Session): SessionSummary {
  return summarize(session, session.revision ?? 1, bytesOf(session));
}
