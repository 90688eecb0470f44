/**
 * The last revisions of sessions that are gone, or whose file changed while no store was open, so that no
 * revision is given out twice. Pure.
 */
import type { Identity } from "../disk/session-file.ts";

/** How many sessions are remembered: memory must not grow with time. */
const maxSessions = 10_000;

export interface PastRevision {
  revision: number;
  /** The file that the session was in, as it was then. */
  identity: Identity;
}

export class PastRevisions {
  readonly #sessions = new Map<string, PastRevision>();

  get(id: string): PastRevision | undefined {
    return this.#sessions.get(id);
  }

  /**
   * The session is gone, or must be read anew. The one that went first is forgotten where there are too many.
   */
  remember(id: string, past: PastRevision): void {
    this.#sessions.delete(id);
    this.#sessions.set(id, past);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > maxSessions && oldest !== undefined) this.#sessions.delete(oldest);
  }
}
