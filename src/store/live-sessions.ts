/**
 * Sessions that are being reported on. A report is durable once its journal record is; the JSON file follows later. Nothing
 * here writes a session file: it decides when one is due, and asks for it.
 */
import type { Clock, Micros } from "../clock.ts";
import type { ProgressReply } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import { JsonError, stringifyJson } from "../json.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { Session, SessionSummary } from "../session/session.ts";
import type { Document } from "./document.ts";
import type { Journal } from "./journal/journal.ts";
import { kinds } from "./journal/record.ts";
import { LiveSession } from "./live-session.ts";
import { type Identity, maxStoredDepth } from "./session-file.ts";

/** A document up to this size may be rewritten after `max_lag`; a larger one after as many times that. */
const smallDocumentBytes = 16 * 1024;
/** Reports that weigh as much as the document are reason to rewrite it, but not below this. */
const leastUnwrittenBytes = 256 * 1024;
/** A session whose file holds everything leaves the memory after this long without a report. */
const idleMs = 30_000;
const sweepIntervalMs = 5000;

export interface Live {
  readonly id: string;
  readonly state: LiveSession;
  /** Reports that the JSON file does not hold yet, oldest first, and their weight in the journal. */
  unwritten: { delta: ProgressDelta; revision: number }[];
  unwrittenBytes: number;
  /** Size of the document when it was last written. */
  documentBytes: number;
  mode: number;
  /** The newest revision that was given to a report, which may not be durable yet. */
  assigned: number;
  /** Grows when reports fail, so that each failure takes its revisions back only once. */
  epoch: number;
  ordinal: number;
  inFlight: Promise<unknown> | undefined;
  lastUse: number;
  timer: NodeJS.Timeout | undefined;
  /** The session is gone: what is still under way for it comes to nothing. */
  gone: boolean;
  /** The file as it was when it went missing: it may have been renamed. */
  lost: Identity | undefined;
}

export interface Restored {
  delta: ProgressDelta;
  revision: number;
  time: Micros;
}

export interface LiveSessionsOptions {
  journal: Journal;
  maxLagMs: number;
  clock: Clock;
  /** The index is to show this now. */
  onReport: (summary: SessionSummary) => void;
  /** The JSON file of this session is due. */
  onDue: (id: string) => void;
}

export class LiveSessions {
  readonly #options: LiveSessionsOptions;
  readonly #live = new Map<string, Live>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), sweepIntervalMs).unref();
  }

  get(id: string): Live | undefined {
    return this.#live.get(id);
  }

  add(id: string, session: Session, documentBytes: number, mode: number): Live {
    const state = new LiveSession(session);
    const live: Live = {
      id,
      state,
      unwritten: [],
      unwrittenBytes: 0,
      documentBytes,
      mode,
      assigned: state.revision,
      epoch: 0,
      ordinal: 0,
      inFlight: undefined,
      lastUse: performance.now(),
      timer: undefined,
      gone: false,
      lost: undefined,
    };
    this.#live.set(id, live);
    return live;
  }

  /**
   * Takes in reports that an earlier run acknowledged. The document may not be readable yet; then they wait for it.
   */
  restore(
    id: string,
    session: Session,
    document: { bytes: number; mode: number },
    reports: readonly Restored[],
  ): Live {
    const live = this.add(id, session, document.bytes, document.mode);
    for (const { delta, revision, time } of reports) {
      live.state.report(delta, Math.max(revision, live.state.revision + 1), time);
      live.unwritten.push({ delta, revision: live.state.revision });
    }
    live.assigned = live.state.revision;
    return live;
  }

  /** Resolves when the report is durable. @throws SessiondError `storage_full`, `storage_failed`, `invalid_request` */
  report(live: Live, delta: ProgressDelta): Promise<ProgressReply> {
    const payload = Buffer.from(encodeDelta(delta));
    const time = this.#options.clock.now();
    const revision = ++live.assigned;
    const { epoch } = live;
    live.lastUse = performance.now();
    const done = this.#options.journal
      .append({
        kind: kinds.progress,
        sessionId: live.id,
        generation: live.state.generation,
        revision,
        time,
        ordinal: ++live.ordinal,
        payload,
      })
      .then(
        () => this.#applied(live, delta, revision, time, payload.length),
        (error: unknown) => {
          if (live.epoch === epoch) {
            live.epoch++;
            live.assigned = live.state.revision;
          }
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

  /** The JSON file holds everything up to a revision. */
  written(live: Live, revision: number, documentBytes: number): void {
    live.unwritten = live.unwritten.filter((report) => report.revision > revision);
    live.unwrittenBytes = live.unwritten.length === 0 ? 0 : Math.min(live.unwrittenBytes, documentBytes);
    live.documentBytes = documentBytes;
    clearTimeout(live.timer);
    live.timer = undefined;
    if (live.unwritten.length > 0) this.#schedule(live);
    this.settled(live.id, revision);
  }

  /** As `written`, of a session that is not in memory; says so in the journal, for a start after a crash. */
  settled(id: string, revision: number): void {
    const { journal, clock } = this.#options;
    if (!journal.settle(id, revision)) return;
    const base = { kind: kinds.base, sessionId: id, generation: "", revision, time: clock.now(), ordinal: 0 };
    // Lost, it only means that reports are applied once more, which changes nothing.
    journal.append({ ...base, payload: Buffer.alloc(0) }).catch(() => {});
    void journal.prune().catch(() => {});
  }

  /**
   * Another program, or a repair, put this document in the place. Acknowledged reports that it does not hold are
   * reported to it again; the summary returned is what the session is then.
   */
  adopted({
    session,
    identity,
    bytes,
  }: Pick<Document, "session" | "identity" | "bytes">): SessionSummary | undefined {
    const live = this.#live.get(session.session_id);
    if (live === undefined) return undefined;
    const isAnother = session.generation !== undefined && session.generation !== live.state.generation;
    if (isAnother || (live.lost !== undefined && live.lost !== identity)) {
      this.forget(live.id);
      return undefined;
    }
    live.lost = undefined;
    live.state.replace({ ...session, revision: Math.max(session.revision ?? 1, live.state.revision) });
    live.documentBytes = bytes;
    if (live.unwritten.length === 0) {
      live.assigned = Math.max(live.assigned, live.state.revision);
      return live.state.summary(bytes);
    }
    const revision = Math.max(live.assigned, live.state.revision) + 1;
    for (const report of live.unwritten) {
      live.state.report(report.delta, revision, this.#options.clock.now());
      report.revision = revision;
    }
    live.assigned = revision;
    this.#schedule(live);
    return live.state.summary(bytes);
  }

  /** The file is gone. Should it turn up under another name, it is still the session. */
  lost(id: string, identity: Identity): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    live.lost = identity;
    live.lastUse = performance.now();
  }

  /** Writing the JSON file failed, such as on a full disk: it is tried again later. */
  postpone(live: Live): void {
    this.#schedule(live);
  }

  /** Takes a session out of memory. */
  drop(id: string): void {
    const live = this.#live.get(id);
    clearTimeout(live?.timer);
    this.#live.delete(id);
  }

  /** The session was deleted, or another one has its id. */
  forget(id: string): void {
    const live = this.#live.get(id);
    if (live !== undefined) live.gone = true;
    this.drop(id);
    this.settled(id, Number.MAX_SAFE_INTEGER);
  }

  /** Sessions whose JSON file lags behind. */
  unwritten(): string[] {
    return [...this.#live.values()].filter((live) => live.unwritten.length > 0).map((live) => live.id);
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const { timer } of this.#live.values()) clearTimeout(timer);
  }

  #applied(live: Live, delta: ProgressDelta, assigned: number, time: number, bytes: number): ProgressReply {
    if (live.gone) throw deleted(live.id);
    const { state } = live;
    // A document that another program put in place may have taken this revision.
    state.report(delta, Math.max(assigned, state.revision + 1), time);
    live.assigned = Math.max(live.assigned, state.revision);
    live.unwritten.push({ delta, revision: state.revision });
    live.unwrittenBytes += bytes;
    // Should the file turn up under another name, the report is in it; if it stays away, there is nothing to be in.
    if (live.lost !== undefined) throw deleted(live.id);
    this.#options.onReport(state.summary(live.documentBytes));
    this.#schedule(live);
    return {
      status: state.status,
      revision: state.revision,
      processed_count: state.processedCount,
      pending_count: state.pendingCount,
    };
  }

  #schedule(live: Live): void {
    if (live.unwrittenBytes > Math.max(live.documentBytes, leastUnwrittenBytes)) {
      if (live.timer !== undefined) clearTimeout(live.timer);
      live.timer = setTimeout(() => this.#due(live), 0);
      live.unwrittenBytes = 0;
      return;
    }
    const lag = this.#options.maxLagMs * Math.max(1, live.documentBytes / smallDocumentBytes);
    live.timer ??= setTimeout(() => this.#due(live), Math.min(lag, 2 ** 31 - 1)).unref();
  }

  #due(live: Live): void {
    live.timer = undefined;
    if (!live.gone && live.lost === undefined && live.unwritten.length > 0) this.#options.onDue(live.id);
  }

  #sweep(): void {
    const limit = performance.now() - idleMs;
    for (const live of this.#live.values()) {
      if (live.lastUse > limit) continue;
      if (live.lost !== undefined) this.forget(live.id);
      else if (live.unwritten.length === 0) this.drop(live.id);
    }
  }
}

function deleted(id: string): SessiondError {
  return new SessiondError("session_not_found", `session "${id}" was deleted meanwhile`);
}

function encodeDelta(delta: ProgressDelta): string {
  try {
    return stringifyJson(delta, { maxDepth: maxStoredDepth });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SessiondError("invalid_request", `the report cannot be kept: ${error.message}`);
  }
}
