/**
 * A session that is being reported on: its working copy, the reports that its file does not hold yet, and
 * those that are on their way into the journal. It knows nothing of other sessions, of the directory, or of
 * whose turn it is: callers see to it that no report begins while the session is changed in another way.
 */
import type { ProgressReply } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import type { Clock } from "../../../time/clock.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { SessionIndex } from "../../session-index.ts";
import type { Document } from "../disk/read-document.ts";
import { type Identity, maxStoredBytes } from "../disk/session-codec.ts";
import type { StorageState } from "../disk/storage-state.ts";
import { type EncodedReport, encodeReport } from "../journal/encode-report.ts";
import type { Journal } from "../journal/journal.ts";
import { type JournalRecord, progressRecord } from "../journal/record.ts";
import { type UnwrittenReport, UnwrittenReports } from "./unwritten-reports.ts";
import type { Lagging, WriteSchedule } from "./write-schedule.ts";

/** What all reported sessions share. */
export interface Reporting {
  journal: Journal;
  index: Pick<SessionIndex, "defer">;
  schedule: WriteSchedule<ReportedSession>;
  state: StorageState;
  clock: Clock;
}

/** A report of an earlier run. */
export interface ReplayedReport extends UnwrittenReport {
  revision: number;
  generation: GenerationMark;
}

/** A document with the revision that the index knows. */
export type KnownDocument = Pick<Document, "session" | "bytes" | "mode">;

/** A change that was no report, and is in the file. */
export interface WrittenChange {
  /** The document that it was made to, if the session is still that one; what the two share needs no work. */
  from: Session | undefined;
  to: Session;
  /** The last report that is in it; 0 if there is none. */
  lastReport: number;
  /** Size of the document. */
  bytes: number;
}

export class ReportedSession implements Lagging {
  readonly id: string;
  readonly working: WorkingSession;
  readonly unwritten = new UnwrittenReports();
  /** Its creation; kept where another program leaves it out of the document. */
  generation: GenerationMark;
  /** Size of the document when it was last written. */
  documentBytes: number;
  mode: number;
  /** When its file is written; kept by the schedule. */
  due: Lagging["due"];
  /** When it was last reported on or changed, as `performance.now()` has it. */
  lastUse = performance.now();
  readonly #shared: Reporting;
  readonly #summary = () => this.summary();
  /** The newest revision that was given to a report, which may not be durable yet. */
  #assigned: number;
  /** The newest report, and how many are not durable yet. */
  #newest: Promise<unknown> | undefined;
  #underWay = 0;
  #isUnreadable = false;
  #hasEnded = false;
  /** The file as it was when it went missing. */
  #lostFile: Identity | undefined;

  constructor(shared: Reporting, { session, bytes, mode }: KnownDocument, working?: WorkingSession) {
    this.#shared = shared;
    this.id = session.session_id;
    this.working = working ?? new WorkingSession(session);
    this.generation = generationMark(session.generation);
    this.documentBytes = bytes;
    this.mode = mode;
    this.#assigned = this.working.revision;
  }

  /**
   * Whether its document could not be read since the start: nothing of it is shown or written until it can
   * be.
   */
  get isUnreadable(): boolean {
    return this.#isUnreadable;
  }

  /** Whether its file went missing. It may turn up under another name. */
  get isLost(): boolean {
    return this.#lostFile !== undefined;
  }

  get isReporting(): boolean {
    return this.#underWay > 0;
  }

  /** Whether its file is to be written, as it does not hold every report. */
  get isLagging(): boolean {
    return this.unwritten.count > 0 && !this.#hasEnded;
  }

  get unwrittenBytes(): number {
    return this.unwritten.bytes;
  }

  /** What the index is to show. */
  summary(): SessionSummary {
    return this.working.summary(this.documentBytes);
  }

  /** Takes in reports that an earlier run acknowledged, and that the document may not hold. */
  replay(reports: readonly ReplayedReport[], generation: GenerationMark): void {
    const { working } = this;
    this.generation ||= generation;
    for (const { revision, generation: _, ...report } of reports) {
      working.reapply(report.delta, Math.max(revision, working.revision + 1), report.time);
      this.unwritten.add(report);
    }
    this.#assigned = working.revision;
    this.#shared.schedule.schedule(this);
  }

  /** Its document cannot be read yet: what it was made from only stands for that, until `adopt`. */
  awaitDocument(): void {
    this.#isUnreadable = true;
  }

  /**
   * Whether the document may become too large to be kept with this report; then the file is to be written
   * first.
   */
  isOverfull({ growth }: EncodedReport): boolean {
    return this.documentBytes + this.unwritten.growth + growth > maxStoredBytes;
  }

  /** Resolves when the report is durable. @throws SessiondError `storage_full`, `storage_failed` */
  report(report: EncodedReport): Promise<ProgressReply> {
    const { journal, state, clock } = this.#shared;
    this.#assigned = Math.max(this.#assigned, this.working.revision) + 1;
    this.lastUse = performance.now();
    const record = progressRecord(this.id, {
      generation: this.generation,
      revision: this.#assigned,
      time: clock.now(),
      payload: report.payload,
    });
    this.#underWay++;
    const done = journal.append(record).then(
      () => {
        this.#underWay--;
        state.recordOutcome();
        return this.#apply(report, record);
      },
      (error: unknown) => {
        this.#underWay--;
        state.recordOutcome(error);
        throw error;
      },
    );
    this.#newest = done;
    return done;
  }

  /** Resolves when no report is on its way into the journal. */
  async idle(): Promise<void> {
    await this.#newest?.catch(() => {});
  }

  /** The file holds every report up to this sequence. Resolves when the journal was told, if it could be. */
  written(lastReport: number, documentBytes: number): Promise<void> {
    this.#keepAfter(lastReport);
    this.documentBytes = documentBytes;
    return this.#shared.journal.tryAdvanceBase(this.id, lastReport);
  }

  /** The session was changed in another way than by a report. */
  changed({ from, to, lastReport, bytes }: WrittenChange): void {
    const { index, schedule } = this.#shared;
    const { working } = this;
    working.replace(to, from);
    this.generation = generationMark(to.generation) || this.generation;
    this.documentBytes = bytes;
    this.lastUse = performance.now();
    this.#keepAfter(lastReport);
    if (!this.isLagging) return;
    for (const { delta, time } of this.unwritten) working.reapply(delta, working.revision + 1, time);
    schedule.schedule(this);
    index.defer(this.id, this.#summary);
  }

  /**
   * Whether a document that was put in the place of this session's is one of this session. Without a
   * generation to go by, only the very file that went missing is.
   */
  isOf({ session, identity }: Document): boolean {
    const generation = generationMark(session.generation);
    if (generation !== 0n && this.generation !== 0n) return generation === this.generation;
    return this.#lostFile === undefined || this.#lostFile === identity;
  }

  /**
   * A document was put in the place of this session's, by another program or by a repair. It is given the
   * reports that no file holds: with them it is one change, which the revision in the document stands for.
   */
  adopt({ session, bytes, mode }: Document): void {
    const { working } = this;
    this.#lostFile = undefined;
    this.#isUnreadable = false;
    this.generation ||= generationMark(session.generation);
    this.mode = mode;
    this.documentBytes = bytes;
    const revision = Math.max(session.revision ?? 1, working.revision);
    working.replace({ ...session, revision });
    for (const { delta, time } of this.unwritten) working.reapply(delta, revision, time);
    if (this.isLagging) this.#shared.schedule.schedule(this);
  }

  /** The file is gone. Should it turn up under another name, it is still the session. */
  lose(file: Identity): void {
    this.#lostFile = file;
    this.lastUse = performance.now();
  }

  /** The session is put back in place by ourselves, with what it was reported. */
  putBack(): void {
    this.#lostFile = undefined;
  }

  /** The session was deleted, or another one has its id: reports that are under way come to nothing. */
  end(): void {
    this.#hasEnded = true;
    this.#shared.schedule.cancel(this);
  }

  /**
   * Writes the reports that its file does not hold into the journal anew, so that they do not keep its oldest
   * segments. None may be under way.
   */
  async carryOver(): Promise<void> {
    const { journal } = this.#shared;
    const records = Array.from(this.unwritten, ({ delta, time }) =>
      progressRecord(this.id, {
        generation: this.generation,
        revision: this.working.revision,
        time,
        payload: encodeReport(delta).payload,
      }),
    );
    await Promise.all(records.map((record) => journal.append(record)));
    const { last } = this.unwritten;
    this.unwritten.renumber(records.map(({ sequence }) => sequence));
    await journal.advanceBase(this.id, last);
  }

  #apply(
    { delta, growth }: EncodedReport,
    { revision, time, payload, sequence }: JournalRecord,
  ): ProgressReply {
    const { journal, index, schedule } = this.#shared;
    const { working } = this;
    if (this.#hasEnded) {
      void journal.tryAdvanceBase(this.id, sequence);
      throw deletedMeanwhile(this.id);
    }
    // A document that another program put in place may have taken this revision.
    working.report(delta, Math.max(revision, working.revision + 1), time);
    this.unwritten.add({ delta, sequence, time, growth, bytes: payload.length });
    // Should the file turn up under another name, the report is in it; if it stays away, there is nothing to
    // be in.
    if (this.isLost) throw deletedMeanwhile(this.id);
    index.defer(this.id, this.#summary);
    schedule.schedule(this);
    return {
      status: working.status,
      revision: working.revision,
      processed_count: working.processedCount,
      pending_count: working.pendingCount,
    };
  }

  #keepAfter(lastReport: number): void {
    this.unwritten.dropUpTo(lastReport);
    if (!this.isLagging) this.#shared.schedule.cancel(this);
  }
}

function deletedMeanwhile(id: string): SessiondError {
  // Should the file come back under another name, the report is in it.
  return new SessiondError("session_not_found", `session "${id}" was deleted meanwhile`, {
    outcome: "unknown",
  });
}
