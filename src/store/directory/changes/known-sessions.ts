/**
 * What is known of a session without opening it: whether it is there, what the index says of it, or why it is
 * not.
 */
import { SessiondError } from "../../../error.ts";
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { assertExpected } from "../../change-conditions.ts";
import { missingSession } from "../../missing-session.ts";
import type { ChangeOptions } from "../../session-store.ts";
import { fileFor, type Identity } from "../disk/session-file.ts";
import type { DirectoryView } from "../view/directory-view.ts";

export class KnownSessions {
  readonly #view: DirectoryView;
  /** Whether a session of this id is in the trash. */
  readonly isRestorable: (id: string) => boolean;

  constructor(view: DirectoryView, isRestorable: (id: string) => boolean) {
    this.#view = view;
    this.isRestorable = isRestorable;
  }

  has(id: SessionId): boolean {
    return this.#view.catalog.index.has(id);
  }

  /** As `has`, but also sees a file that another program created a moment ago. */
  exists(id: SessionId): boolean {
    if (!this.has(id)) this.#view.glance(fileFor(id));
    return this.has(id);
  }

  /** @throws SessiondError why there is no such session */
  summary(id: SessionId): SessionSummary {
    const summary = this.#view.catalog.index.get(id);
    if (summary === undefined) throw this.missing(id);
    return summary;
  }

  /** @throws SessiondError `revision_mismatch`, or why there is no such session */
  assertExpected(id: SessionId, conditions: ChangeOptions): void {
    assertExpected(this.summary(id), conditions);
  }

  /**
   * Looks at the file of a session. Callers hold its queue.
   *
   * @throws SessiondError why the file does not hold the session
   */
  held(id: SessionId, file: string): { summary: SessionSummary; identity: Identity } {
    this.#view.look(file);
    const state = this.#view.catalog.get(file);
    if (state?.kind !== "session" || state.id !== id) throw this.missing(id);
    return { summary: this.summary(id), identity: state.identity };
  }

  /** Why there is no such session. */
  missing(id: SessionId): SessiondError {
    const { catalog, place } = this.#view;
    if (!place.isHeld()) return place.away();
    const unreadable = catalog.unreadableFor(id);
    if (unreadable !== undefined) {
      const why = catalog.whyUnreadable(unreadable);
      const message = `${unreadable}: ${why}; it is kept as it is until you correct or recover it`;
      return new SessiondError("session_corrupt", message);
    }
    return missingSession(id, this.isRestorable(id));
  }
}
