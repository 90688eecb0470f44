/**
 * Reads the session again after it was resumed, as others may have changed it meanwhile, and adds what was
 * acknowledged while the reply was on its way.
 */
import type { Session } from "../../session/session.ts";
import { type DocumentReport, SessionDocument } from "./session-document.ts";

export interface RefreshOptions {
  /** Reads the whole session, with plain numbers. */
  readonly read: (signal: AbortSignal) => Promise<Session>;
  readonly keepsResults: boolean;
}

/** Reports that became durable at the latest with this revision. */
interface Acknowledged {
  readonly revision: number;
  readonly reports: readonly DocumentReport[];
  readonly text: string;
}

export class Refresh {
  readonly #options: RefreshOptions;
  /** Ends the call that is under way. */
  #call: AbortController | undefined;
  #acknowledged: Acknowledged[] = [];

  constructor(options: RefreshOptions) {
    this.#options = options;
  }

  /** A session that the daemon has sent, as a document. */
  take(session: Session): SessionDocument {
    return new SessionDocument(session, this.#options);
  }

  /** Takes a message that was acknowledged. */
  acked(acknowledged: Acknowledged): void {
    if (this.#call !== undefined) this.#acknowledged.push(acknowledged);
  }

  /** Nobody wants the document any more: the call under way resolves with undefined. */
  cancel(): void {
    this.#call?.abort();
    this.#call = undefined;
    this.#acknowledged = [];
  }

  /**
   * Resolves with the session as it is now. Cancels a call that is under way. @throws the error of the call
   */
  async start(): Promise<SessionDocument | undefined> {
    this.cancel();
    const call = new AbortController();
    this.#call = call;
    try {
      const session = await this.#options.read(call.signal);
      if (call.signal.aborted) return undefined;
      const document = this.take(session);
      // Several messages may have been acknowledged together, with one revision.
      const { revision: known = 0 } = session;
      for (const { revision, reports, text } of this.#acknowledged) {
        if (revision <= known) continue;
        document.apply(reports, text);
        document.setRevision(revision);
      }
      return document;
    } catch (error) {
      if (call.signal.aborted) return undefined;
      throw error;
    }
  }
}
