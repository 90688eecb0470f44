/**
 * A session that workers report on: its working copy, the reports that its file does not hold yet, and the
 * reports on their way into the journal. Knows no other session, no directory and no queue: callers make sure
 * that no report begins while the session is changed in another way.
 *
 * The room store/directory/reported/ owns sessions with reports that their files do not hold yet, and when
 * each file is due. It writes no file.
 */
import type { ProgressReply } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import {
  type PreparedDocument,
  type PreparedReport,
  WorkingSession,
} from "../../../session/working/working-session.ts";
import type { Clock } from "../../../time/clock.ts";
import { maxStoredBytes } from "../../document/decode-session.ts";
import { type EncodedReport, jsonOf } from "../../document/encode-report.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { SessionIndex } from "../../session-index.ts";
import type { Document } from "../disk/read-document.ts";
import type { Identity } from "../disk/session-file.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import { type JournalRecord, progressRecord } from "../journal/record.ts";
import type { JournaledClaims } from "./journaled-claims.ts";
import { type UnwrittenReport, UnwrittenReports } from "./unwritten-reports.ts";
import type { Lagging, WriteSchedule } from "./write-schedule.ts";

/** A report of more items is applied in slices: a name takes up to half a microsecond. */
const manyItems = 20_000;

export function isLarge({ items }: EncodedReport): boolean {
  return items > manyItems;
}

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

/** A change other than a report, after its outcome was written to the file. */
export interface WrittenChange {
  /**
   * The document before the change, if the working copy is still that document. What `from` and `to` share is
   * not built anew.
   */
  from: Session | undefined;
  to: Session;
  /** What was made of `to` in slices; undefined if the session was not in memory before the change. */
  prepared: PreparedDocument | undefined;
  /** Sequence of the last report that the file holds; 0 if there is none. */
  lastReport: number;
  /** Size of the document in bytes. */
  bytes: number;
}

export class ReportedSession implements Lagging {
  readonly id: string;
  readonly working: WorkingSession;
  readonly unwritten = new UnwrittenReports();
  /**
   * Tells the creation of the session from others of its id. Kept even if another program leaves the
   * generation out of the document.
   */
  generation: GenerationMark;
  /** Size of the document in bytes when it was last written. */
  documentBytes: number;
  mode: number;
  /** Which files workers have claimed that share the session; undefined if nobody has. */
  claims: JournaledClaims | undefined;
  /** When the file is written; kept by the schedule. */
  due: Lagging["due"];
  /** When the session was last reported on or changed, in terms of `performance.now()`. */
  lastUse = performance.now();
  readonly #shared: Reporting;
  readonly #summary = () => this.summary();
  /** The highest revision that was given to a report, which may not be durable yet. */
  #assigned: number;
  /** The newest report, and how many are not durable yet. */
  #newest: Promise<unknown> | undefined;
  #underWay = 0;
  /** Settles when the large report that is being applied, and all that came after it, are applied. */
  #applying: Promise<unknown> | undefined;
  #isUnreadable = false;
  #hasEnded = false;
  /** The state of the file when it went missing. */
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
   * Whether the document could not be read since the start. Until it is read, nothing of the session is shown
   * or written.
   */
  get isUnreadable(): boolean {
    return this.#isUnreadable;
  }

  /** Whether the file is missing. It may turn up under another name. */
  get isLost(): boolean {
    return this.#lostFile !== undefined;
  }

  get isReporting(): boolean {
    return this.#underWay > 0;
  }

  /** Whether the file is to be written because it does not hold every report. */
  get isLagging(): boolean {
    return this.unwritten.count > 0 && !this.#hasEnded;
  }

  get unwrittenBytes(): number {
    return this.unwritten.bytes;
  }

  /** The summary that the index shows. */
  summary(): SessionSummary {
    return this.working.summary(this.documentBytes);
  }

  /** Applies reports that an earlier run acknowledged, and that the document may not hold. */
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

  /** The document cannot be read yet: the session was made from a placeholder, which `adopt` replaces. */
  awaitDocument(): void {
    this.#isUnreadable = true;
  }

  /**
   * Whether the document may become too large to be stored with this report. Then the file must be written
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
        state.recordOutcome();
        if (this.#applying !== undefined || isLarge(report)) return this.#applyInTurn(report, record);
        this.#underWay--;
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

  /**
   * The file holds every report up to a sequence. Resolves when the journal has recorded that, or will try
   * again later.
   */
  written(lastReport: number, documentBytes: number): Promise<void> {
    this.#keepAfter(lastReport);
    this.documentBytes = documentBytes;
    return this.#shared.journal.tryAdvanceBase(this.id, lastReport);
  }

  /** The session was changed in another way than by a report. */
  changed({ from, to, prepared, lastReport, bytes }: WrittenChange): void {
    const { index, schedule } = this.#shared;
    const { working } = this;
    working.replace(to, from, prepared);
    this.generation = generationMark(to.generation) || this.generation;
    this.documentBytes = bytes;
    this.lastUse = performance.now();
    this.#keepAfter(lastReport);
    if (this.isLagging) {
      for (const { delta, time } of this.unwritten) working.reapply(delta, working.revision + 1, time);
      schedule.schedule(this);
      index.defer(this.id, this.#summary);
    }
    this.claims?.replaced(working.files);
  }

  /**
   * Whether a document belongs to this session. Generations tell. If one of them is not known and the file of
   * the session went missing, only that very file belongs to the session.
   */
  isOf({ session, identity }: Document): boolean {
    const generation = generationMark(session.generation);
    if (generation !== 0n && this.generation !== 0n) return generation === this.generation;
    return this.#lostFile === undefined || this.#lostFile === identity;
  }

  /**
   * A document took the place of the one that the session had: another program or a repair put it there. The
   * reports that no file holds are added to it. Document and reports are one change, with the revision that
   * the document carries.
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
    this.claims?.replaced(working.files);
  }

  /** The file is missing. If it turns up under another name, it is still this session. */
  lose(file: Identity): void {
    this.#lostFile = file;
    this.lastUse = performance.now();
  }

  /** sessiond puts the session back in place itself. */
  putBack(): void {
    this.#lostFile = undefined;
  }

  /**
   * The session was deleted, or another one has its id. Reports that are under way are refused, and claims
   * end.
   */
  end(): void {
    this.claims = undefined;
    this.#hasEnded = true;
    this.#shared.schedule.cancel(this);
  }

  /**
   * Appends the reports that the file does not hold to the journal again, so that they do not keep its oldest
   * segments. No report may be under way.
   */
  async carryOver(): Promise<void> {
    const { journal } = this.#shared;
    const records = Array.from(this.unwritten, ({ delta, time }) =>
      progressRecord(this.id, {
        generation: this.generation,
        revision: this.working.revision,
        time,
        payload: jsonOf(delta),
      }),
    );
    await Promise.all(records.map((record) => journal.append(record)));
    const { last } = this.unwritten;
    this.unwritten.renumber(records.map(({ sequence }) => sequence));
    await journal.advanceBase(this.id, last);
  }

  /** Applies a large report in slices. Reports that become durable meanwhile wait until it is applied. */
  #applyInTurn(report: EncodedReport, record: JournalRecord): Promise<ProgressReply> {
    const before = this.#applying ?? Promise.resolve();
    const applied = before.then(async () => {
      if (!isLarge(report)) return this.#apply(report, record);
      const prepared = await this.working.prepare(report.delta);
      const reply = this.#apply(report, record, prepared);
      await this.claims?.reportedInSlices(report.delta);
      return reply;
    });
    const settled = applied.then(
      () => {},
      () => {},
    );
    const turn = settled.then(() => {
      this.#underWay--;
      if (this.#applying === turn) this.#applying = undefined;
    });
    this.#applying = turn;
    return applied;
  }

  #apply(
    { delta, growth }: EncodedReport,
    { revision, time, payload, sequence }: JournalRecord,
    prepared?: PreparedReport,
  ): ProgressReply {
    const { journal, index, schedule } = this.#shared;
    const { working } = this;
    if (this.#hasEnded) {
      void journal.tryAdvanceBase(this.id, sequence);
      throw deletedMeanwhile(this.id);
    }
    // A document of another program may have taken this revision.
    working.report(delta, Math.max(revision, working.revision + 1), time, prepared);
    if (prepared === undefined) this.claims?.reported(delta);
    this.unwritten.add({ delta, sequence, time, growth, bytes: payload.length });
    // If the file turns up under another name, the report is in it. If it does not, the session is gone.
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
  // If the file turns up under another name, the report is in it.
  return new SessiondError("session_not_found", `session "${id}" was deleted meanwhile`, {
    outcome: "unknown",
  });
}
