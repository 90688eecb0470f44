/**
 * The slot of a session: everything that is known of it beyond its file and its entry in the index. It exists
 * only while there is something to know, so a session that nobody works on takes no memory here. Also what
 * another program did to a session's file comes here, as it may concern reports that no file holds.
 */
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { WorkingSession } from "../../../session/working/working-session.ts";
import type { Document } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-codec.ts";
import type { EncodedReport } from "../journal/encode-report.ts";
import { type KnownDocument, ReportedSession, type Reporting } from "../reported/reported-session.ts";
import type { OutsideChanges } from "../view/directory-view.ts";

export interface WaitingReport {
  report: EncodedReport;
  make: (session: ReportedSession) => void;
  refuse: (error: unknown) => void;
}

/** Reports that came while their session was being loaded or changed, in the order of the calls. */
export interface GatheredReports {
  readonly waiting: WaitingReport[];
  /** The newest change that was asked for before them; 0 if there is none. */
  readonly after: number;
}

export class SessionSlot {
  /** While reports are made, and a while after the file holds all of them. */
  reported: ReportedSession | undefined;
  /** How many changes wait for their turn or run, and the number of the newest of them. */
  changes = 0;
  newestChange = 0;
  /** The newest group of reports that wait for their turn. */
  gathered: GatheredReports | undefined;

  /** Whether a report need not wait. */
  get isOpenToReports(): boolean {
    const { reported, changes, gathered } = this;
    return reported?.isUnreadable === false && changes === 0 && gathered === undefined;
  }

  get isEmpty(): boolean {
    return this.reported === undefined && this.changes === 0 && this.gathered === undefined;
  }
}

/** A session whose file holds everything leaves the memory after this long without a report. */
const idleMs = 30_000;
const sweepIntervalMs = 5000;

export class SessionSlots implements OutsideChanges {
  readonly #reporting: Reporting;
  readonly #slots = new Map<string, SessionSlot>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(reporting: Reporting) {
    this.#reporting = reporting;
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  /**
   * Every session has been given what the journal held for it: files may be written. `write` is asked to
   * write the file of a session, and never rejects.
   */
  begin(write: (id: SessionId) => Promise<void>): void {
    const { schedule } = this.#reporting;
    schedule.begin(async (reported) => {
      if (!reported.isLagging || reported.isLost || reported.isUnreadable) return;
      await write(reported.id as SessionId);
    });
    for (const reported of this.#reported()) if (reported.isLagging) schedule.schedule(reported);
  }

  find(id: string): SessionSlot | undefined {
    return this.#slots.get(id);
  }

  /** The slot of a session, which callers put something into. */
  open(id: string): SessionSlot {
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      slot = new SessionSlot();
      this.#slots.set(id, slot);
    }
    return slot;
  }

  /** Drops a slot that holds nothing any more. */
  release(id: string): void {
    if (this.#slots.get(id)?.isEmpty) this.#slots.delete(id);
  }

  /** The session as it is being reported on, if its document is known. */
  reported(id: string): ReportedSession | undefined {
    const reported = this.#slots.get(id)?.reported;
    return reported?.isUnreadable ? undefined : reported;
  }

  /** Sessions whose file does not hold every report. */
  lagging(): SessionId[] {
    return this.#reported()
      .filter((reported) => reported.isLagging)
      .map(({ id }) => id as SessionId);
  }

  /**
   * From now on the session is reported on. `working` is the document, if it was taken into memory already.
   */
  add(document: KnownDocument, working?: WorkingSession): ReportedSession {
    const reported = new ReportedSession(this.#reporting, document, working);
    this.open(reported.id).reported = reported;
    return reported;
  }

  /**
   * A document was put in the place of a session's, and carries the revision that the index is to show.
   * Returns what the session is with the reports that no file holds; undefined if there are none to give.
   */
  adopted(document: Document): SessionSummary | undefined {
    const id = document.session.session_id;
    const reported = this.#slots.get(id)?.reported;
    if (reported === undefined) return undefined;
    if (!reported.isOf(document)) {
      void this.forget(id);
      return undefined;
    }
    reported.adopt(document);
    return reported.summary();
  }

  /** The file of a session is gone. */
  lost(id: string, file: Identity): void {
    this.#slots.get(id)?.reported?.lose(file);
  }

  /**
   * The session was deleted, or another one has its id: its reports are of no use. Resolves when the journal
   * was told, if it could be.
   */
  forget(id: string): Promise<void> {
    this.#slots.get(id)?.reported?.end();
    this.#drop(id);
    return this.#reporting.journal.tryAdvanceBase(id);
  }

  /** Resolves when no report at all is under way. */
  async idle(): Promise<void> {
    await Promise.all(this.#reported().map((reported) => reported.idle()));
  }

  close(): void {
    const { schedule } = this.#reporting;
    clearInterval(this.#sweeper);
    schedule.close();
    for (const reported of this.#reported()) schedule.cancel(reported);
  }

  #reported(): ReportedSession[] {
    return Array.from(this.#slots.values(), ({ reported }) => reported).filter((one) => one !== undefined);
  }

  #drop(id: string): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    slot.reported = undefined;
    this.release(id);
  }

  #sweep(): void {
    void this.#reporting.journal.retryBases();
    const limit = performance.now() - idleMs;
    for (const reported of this.#reported()) {
      if (reported.lastUse > limit || reported.isReporting) continue;
      if (reported.isLost) void this.forget(reported.id);
      else if (!reported.isLagging) this.#drop(reported.id);
    }
  }
}
