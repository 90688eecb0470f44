/**
 * Sessions that are being reported on. A report is durable once its journal record is; the session file follows later. Nothing
 * here writes a session file: it decides when one is due, and asks for it.
 */

import type { ProgressReply } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import type { Clock } from "../../../time/clock.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { Document } from "../disk/read-document.ts";
import { type Identity, maxStoredBytes } from "../disk/session-codec.ts";
import { type EncodedReport, encodeReport } from "../journal/encode-report.ts";
import type { Journal } from "../journal/journal.ts";
import { type JournalRecord, progressRecord } from "../journal/record.ts";
import {
  type Before,
  type Change,
  type KnownDocument,
  type Live,
  newLive,
  type Restored,
  type Unwritten,
} from "./reported-session.ts";
import { WriteBehind } from "./write-schedule.ts";

/** A session whose file holds everything leaves the memory after this long without a report. */
const idleMs = 30_000;
const sweepIntervalMs = 5000;

export interface LiveSessionsOptions {
  journal: Journal;
  maxLagMs: number;
  clock: Clock;
  /** Reports were written to the journal, or refused with an error. */
  onOutcome: (error?: unknown) => void;
  /** The index is to show this when it is asked. */
  onReport: (id: string, summary: () => SessionSummary) => void;
  /** The file of this session is due. Never rejects. */
  onDue: (id: string) => Promise<void>;
}

export class LiveSessions {
  readonly #options: LiveSessionsOptions;
  readonly #live = new Map<string, Live>();
  readonly #writeBehind: WriteBehind;
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
    this.#writeBehind = new WriteBehind(options.maxLagMs, async (id) => {
      const due = this.#live.get(id);
      if (due?.lost === undefined && due?.isWaiting === false) await options.onDue(id);
      const live = this.#live.get(id);
      return live !== undefined && live.unwritten.length > 0 ? live : undefined;
    });
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  /** Every session has been given back what the journal held for it: files may be written. */
  begin(): void {
    this.#writeBehind.begin();
    for (const live of this.#live.values()) if (live.unwritten.length > 0) this.#writeBehind.schedule(live);
  }

  /** Of a session whose document is known. */
  get(id: string): Live | undefined {
    const live = this.#live.get(id);
    return live?.isWaiting ? undefined : live;
  }

  /** Whether reports wait for the document of a session to be readable. */
  isWaiting(id: string): boolean {
    return this.#live.get(id)?.isWaiting ?? false;
  }

  /** The session carries the revision that the index knows. */
  add(id: string, document: KnownDocument, state = new WorkingSession(document.session)): Live {
    const live = newLive(id, document, state);
    this.#live.set(id, live);
    return live;
  }

  /** Takes in reports that an earlier run acknowledged, and that the document may not hold. */
  restore(
    id: string,
    document: KnownDocument,
    generation: GenerationMark,
    reports: readonly Restored[],
  ): Live {
    const live = this.add(id, document);
    live.generation ||= generation;
    for (const { revision, delta, sequence, bytes, growth, time } of reports) {
      live.state.reapply(delta, Math.max(revision, live.state.revision + 1), time);
      this.#unwritten(live, { delta, sequence, bytes, growth, time });
    }
    live.assigned = live.state.revision;
    this.#writeBehind.schedule(live);
    return live;
  }

  /** As `restore`, where the document cannot be read yet: `placeholder` stands for it, and is never shown or written. */
  await(id: string, placeholder: Session, generation: GenerationMark, reports: readonly Restored[]): void {
    this.restore(id, { session: placeholder, bytes: 0, mode: 0 }, generation, reports).isWaiting = true;
  }

  /** Whether the document may be too large to be kept with this report; then the file is to be written first. */
  isOverfull(live: Live, { growth }: EncodedReport): boolean {
    return live.documentBytes + live.growth + growth > maxStoredBytes;
  }

  /** Resolves when the report is durable. @throws SessiondError `storage_full`, `storage_failed` */
  report(live: Live, { delta, payload, growth }: EncodedReport): Promise<ProgressReply> {
    live.assigned = Math.max(live.assigned, live.state.revision) + 1;
    live.lastUse = performance.now();
    const report = progressRecord(live.id, {
      generation: live.generation,
      revision: live.assigned,
      time: this.#options.clock.now(),
      payload,
    });
    live.underWay++;
    const done = this.#options.journal.append(report).then(
      () => {
        live.underWay--;
        this.#options.onOutcome();
        return this.#applied(live, delta, growth, report);
      },
      (error: unknown) => {
        live.underWay--;
        this.#options.onOutcome(error);
        throw error;
      },
    );
    live.inFlight = done;
    return done;
  }

  /** Resolves when no report is under way. Callers see to it that none begins. */
  async quiet(live: Live): Promise<void> {
    await live.inFlight?.catch(() => {});
  }

  /** Resolves when no report at all is under way. */
  async idle(): Promise<void> {
    await Promise.all(Array.from(this.#live.values(), (live) => this.quiet(live)));
  }

  /** The session file holds every report up to this one. Resolves when the journal was told, if it could be. */
  written(live: Live, last: number, documentBytes: number): Promise<void> {
    this.#keep(live, last);
    live.documentBytes = documentBytes;
    return this.#options.journal.tryAdvanceBase(live.id, last);
  }

  /**
   * The session was changed in another way than by a report, and its file holds everything. Resolves when the journal was told, if
   * it could be.
   */
  changed(id: string, change: Change, before: Before, documentBytes: number): Promise<void> {
    const live = this.get(id);
    if (live !== undefined) {
      const isSame = this.isStill(id, before);
      live.state.replace(change.to, isSame ? change.from : undefined);
      live.generation = generationMark(change.to.generation) || live.generation;
      live.documentBytes = documentBytes;
      live.lastUse = performance.now();
      this.#keep(live, before.last);
      for (const { delta, time } of live.unwritten) live.state.reapply(delta, live.state.revision + 1, time);
      if (live.unwritten.length > 0) this.#writeBehind.schedule(live);
      if (live.unwritten.length > 0) this.#options.onReport(id, live.summary);
    }
    return this.#options.journal.tryAdvanceBase(id, before.last);
  }

  /** Whether there are reports that its file does not hold. */
  isUnwritten(id: string): boolean {
    return (this.#live.get(id)?.unwritten.length ?? 0) > 0;
  }

  /**
   * The session's file holds everything. Resolves when a start would give nothing back to it.
   *
   * @throws SessiondError `storage_full`, `storage_failed`
   */
  settle(id: string): Promise<void> {
    return this.#options.journal.advanceBase(id);
  }

  /** What a change of another kind is made to, from now on. No report is under way then. */
  before(id: string): Before {
    const live = this.get(id);
    const last = this.#options.journal.newestReport(id) ?? 0;
    return { live, version: live?.state.version, last };
  }

  /** Whether the session has not been replaced since. */
  isStill(id: string, { live, version }: Before): boolean {
    const now = this.get(id);
    return now === live && now?.state.version === version;
  }

  /**
   * Another program, or a repair, put this document in the place. Acknowledged reports that it does not hold are
   * reported to it again; the summary returned is what the session is then.
   */
  adopted({ session, identity, bytes, mode }: Document): SessionSummary | undefined {
    const live = this.#live.get(session.session_id);
    if (live === undefined) return undefined;
    const generation = generationMark(session.generation);
    const isKnown = generation !== 0n && live.generation !== 0n;
    const isAnother = isKnown
      ? generation !== live.generation
      : live.lost !== undefined && live.lost !== identity;
    if (isAnother) {
      void this.forget(live.id);
      return undefined;
    }
    live.lost = undefined;
    live.isWaiting = false;
    live.generation ||= generation;
    live.mode = mode;
    live.documentBytes = bytes;
    const revision = Math.max(session.revision ?? 1, live.state.revision);
    live.state.replace({ ...session, revision });
    // The document and what was reported before are one change.
    for (const { delta, time } of live.unwritten) live.state.reapply(delta, revision, time);
    if (live.unwritten.length > 0) this.#writeBehind.schedule(live);
    return live.summary();
  }

  /** The session is put back in place by ourselves, with what it was reported. */
  found(id: string): void {
    const live = this.#live.get(id);
    if (live !== undefined) live.lost = undefined;
  }

  /** Of the reports that wait for a document; 0 where there are none. */
  generationOf(id: string): GenerationMark {
    return this.#live.get(id)?.generation ?? 0n;
  }

  /** The file is gone. Should it turn up under another name, it is still the session. */
  lost(id: string, identity: Identity): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.lost = identity;
    live.lastUse = performance.now();
  }

  /**
   * Writes reports that wait for their file into the journal anew, so that they do not keep its oldest segments. None may be
   * under way.
   */
  async carryOver(id: string): Promise<void> {
    const { journal } = this.#options;
    const live = this.#live.get(id);
    if (live === undefined) return this.settleOwed();
    const reports = live.unwritten.map(({ delta, time }) =>
      progressRecord(id, {
        generation: live.generation,
        revision: live.state.revision,
        time,
        payload: encodeReport(delta).payload,
      }),
    );
    await Promise.all(reports.map((report) => journal.append(report)));
    const last = live.unwritten.at(-1)?.sequence;
    live.unwritten = live.unwritten.map((entry, index) => ({
      ...entry,
      sequence: reports[index]?.sequence ?? 0,
    }));
    await journal.advanceBase(id, last);
  }

  /** The session was deleted, or another one has its id. Resolves when the journal was told, if it could be. */
  forget(id: string): Promise<void> {
    const live = this.#live.get(id);
    if (live !== undefined) live.gone = true;
    this.#drop(id);
    return this.#options.journal.tryAdvanceBase(id);
  }

  /** Sessions whose file lags behind. */
  unwritten(): string[] {
    return [...this.#live.values()].filter((live) => live.unwritten.length > 0).map((live) => live.id);
  }

  /** Tells the journal what it could not be told before. */
  settleOwed(): Promise<void> {
    return this.#options.journal.retryBases();
  }

  close(): void {
    clearInterval(this.#sweeper);
    this.#writeBehind.close();
  }

  #applied(
    live: Live,
    delta: ProgressDelta,
    growth: number,
    { revision, time, payload, sequence }: JournalRecord,
  ): ProgressReply {
    if (live.gone) {
      void this.#options.journal.tryAdvanceBase(live.id, sequence);
      throw deleted(live.id);
    }
    const { state } = live;
    // A document that another program put in place may have taken this revision.
    state.report(delta, Math.max(revision, state.revision + 1), time);
    this.#unwritten(live, { delta, sequence, time, growth, bytes: payload.length });
    // Should the file turn up under another name, the report is in it; if it stays away, there is nothing to be in.
    if (live.lost !== undefined) throw deleted(live.id);
    this.#options.onReport(live.id, live.summary);
    this.#writeBehind.schedule(live);
    return {
      status: state.status,
      revision: state.revision,
      processed_count: state.processedCount,
      pending_count: state.pendingCount,
    };
  }

  #unwritten(live: Live, report: Unwritten): void {
    live.unwritten.push(report);
    live.unwrittenBytes += report.bytes;
    live.growth += report.growth;
  }

  /** The file holds what was reported up to a sequence. */
  #keep(live: Live, last: number): void {
    live.unwritten = live.unwritten.filter(({ sequence }) => sequence > last);
    live.unwrittenBytes = live.unwritten.reduce((sum, { bytes }) => sum + bytes, 0);
    live.growth = live.unwritten.reduce((sum, { growth }) => sum + growth, 0);
    if (live.unwritten.length === 0) this.#writeBehind.cancel(live.id);
  }

  #drop(id: string): void {
    this.#writeBehind.cancel(id);
    this.#live.delete(id);
  }

  #sweep(): void {
    void this.settleOwed();
    const limit = performance.now() - idleMs;
    for (const live of this.#live.values()) {
      if (live.lastUse > limit || live.underWay > 0) continue;
      if (live.lost !== undefined) void this.forget(live.id);
      else if (live.unwritten.length === 0) this.#drop(live.id);
    }
  }
}

function deleted(id: string): SessiondError {
  // Should the file come back under another name, the report is in it.
  return new SessiondError("session_not_found", `session "${id}" was deleted meanwhile`, {
    outcome: "unknown",
  });
}
