/**
 * One slot for each session that somebody works on: its working copy with the reports that no file holds, the
 * changes that wait, and the reports that wait. A slot exists only while it holds something, so an idle
 * session takes no memory here. Does not know how files are read or written.
 */
import type { SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { WorkingSession } from "../../../session/working/working-session.ts";
import type { EncodedReport } from "../../document/encode-report.ts";
import type { Document } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-file.ts";
import { type KnownDocument, ReportedSession, type Reporting } from "../reported/reported-session.ts";
import type { OutsideChanges } from "../view/directory-view.ts";

export interface WaitingReport {
  report: EncodedReport | Promise<EncodedReport>;
  /** Checks a long report in slices, before any of its group is made. Resolves with what of it is made. */
  check: ((session: ReportedSession, report: EncodedReport) => Promise<EncodedReport>) | undefined;
  make: (session: ReportedSession, report: EncodedReport) => void;
  refuse: (error: unknown) => void;
}

/** Reports that wait while their session is loaded or changed, in the order of the calls. */
export interface GatheredReports {
  readonly waiting: WaitingReport[];
  /** Number of the newest change that was requested before these reports; 0 if there is none. */
  readonly after: number;
}

export class SessionSlot {
  /** From the first report until a while after the file holds all reports. */
  reported: ReportedSession | undefined;
  /** How many changes wait or run, and the number of the newest of them. */
  changes = 0;
  newestChange = 0;
  /** The newest group of waiting reports. */
  gathered: GatheredReports | undefined;

  /** Whether a report can be made at once. */
  get isOpenToReports(): boolean {
    const { reported, changes, gathered } = this;
    return reported?.isUnreadable === false && changes === 0 && gathered === undefined;
  }

  get isEmpty(): boolean {
    return this.reported === undefined && this.changes === 0 && this.gathered === undefined;
  }
}

/** A session leaves the memory this long after its last report, if its file holds everything. */
const idleMs = 30_000;
const sweepIntervalMs = 5000;

export class SessionSlots implements OutsideChanges {
  readonly #reporting: Reporting;
  readonly #slots = new Map<string, SessionSlot>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #onForgotten: (id: string) => void;

  /** `onForgotten` is called when a session was deleted, or another one has its id. */
  constructor(reporting: Reporting, onForgotten: (id: string) => void) {
    this.#reporting = reporting;
    this.#onForgotten = onForgotten;
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  /**
   * Starts to write files, once everything in the journal was replayed. `write` writes the file of one
   * session, and never rejects.
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

  /** The slot of a session; a new one if there is none. Callers put something into it. */
  open(id: string): SessionSlot {
    let slot = this.#slots.get(id);
    if (slot === undefined) {
      slot = new SessionSlot();
      this.#slots.set(id, slot);
    }
    return slot;
  }

  /** Drops the slot of a session if it is empty. */
  release(id: string): void {
    if (this.#slots.get(id)?.isEmpty) this.#slots.delete(id);
  }

  /** The session that is reported on, if its document is known. */
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

  /** Begins to keep a working copy of a session. `working` is that copy if it was made already. */
  add(document: KnownDocument, working?: WorkingSession): ReportedSession {
    const reported = new ReportedSession(this.#reporting, document, working);
    this.open(reported.id).reported = reported;
    return reported;
  }

  /**
   * A document took the place of the one that the session had. It carries the revision that the index is to
   * show. Returns the summary with the reports that no file holds; undefined if there are none.
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

  /** The file of a session is missing. */
  lost(id: string, file: Identity): void {
    this.#slots.get(id)?.reported?.lose(file);
  }

  /**
   * The session was deleted, or another one has its id: its reports are dropped. Resolves when the journal
   * has recorded that, or will try again later.
   */
  forget(id: string): Promise<void> {
    this.#slots.get(id)?.reported?.end();
    this.#onForgotten(id);
    this.#drop(id);
    return this.#reporting.journal.tryAdvanceBase(id);
  }

  /** Resolves when no report of any session is on its way into the journal. */
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
      // Whoever waits for a file to be free is told when the lists change.
      else if (!reported.isLagging && reported.claims === undefined) this.#drop(reported.id);
    }
  }
}
