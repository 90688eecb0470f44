/** Reports of progress: into the journal at once, into the session's file later. */
import type { ProgressReply } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import type { ProgressDelta } from "../session/command.ts";
import type { SessionId } from "../session/session-id.ts";
import { nextSlice } from "../slices.ts";
import type { DirectoryView } from "./directory-view.ts";
import { TargetChanged } from "./durable-file.ts";
import { type GenerationMark, generationMark } from "./journal/record.ts";
import type { LeaseTable } from "./leases.ts";
import type { Live, Restored } from "./live.ts";
import type { LiveSessions } from "./live-sessions.ts";
import { maxStoredBytes, tooLarge } from "./session-file.ts";
import type { SessionFiles } from "./session-files.ts";
import type { ReportOptions } from "./session-store.ts";
import { encodeInSlices } from "./session-writer.ts";
import { explained } from "./storage-state.ts";

export interface ReportsOptions {
  view: DirectoryView;
  lives: LiveSessions;
  sessions: SessionFiles;
  leases: LeaseTable;
  assertWritable: () => void;
}

interface Waiting {
  report: (live: Live) => void;
  refuse: (error: unknown) => void;
}

export class Reports {
  readonly #options: ReportsOptions;
  /** By session, the reports that came while it was being loaded or changed, in the order of the calls. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a report is durable. It does not wait for other reports of the session, nor for its file; it does wait for
   * changes of other kinds that were asked for before it.
   */
  report(id: SessionId, delta: ProgressDelta, { epoch }: ReportOptions): Promise<ProgressReply> {
    const { lives, sessions, leases, assertWritable } = this.#options;
    const report = (live: Live) => {
      assertWritable();
      leases.assertMayReport(id, epoch);
      return lives.report(live, delta);
    };
    const live = lives.get(id);
    const mayGoOn = !this.#waiting.has(id) && !sessions.isChanging(id) && sessions.has(id);
    if (live !== undefined && mayGoOn && !lives.isOverfull(live, delta)) {
      try {
        return report(live);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    return new Promise((resolve, reject) => {
      const isFirst = !this.#waiting.has(id);
      const wait = (loaded: Live) => resolve(this.#fitting(loaded, delta, report));
      if (isFirst) this.#waiting.set(id, []);
      this.#waiting.get(id)?.push({ report: wait, refuse: reject });
      if (isFirst) void this.#reportWaiting(id, live !== undefined && lives.isOverfull(live, delta));
    });
  }

  /**
   * Gives a session the reports that an earlier run acknowledged and its file may not hold. The file follows as after any other
   * report, so that a disk that is full does not keep the store from opening.
   */
  restore(id: SessionId, generation: GenerationMark, reports: readonly Restored[]): Promise<void> {
    const { lives, sessions, view } = this.#options;
    return sessions.inQueue(id, async (file) => {
      const document = await sessions.document(file, id);
      const session = { ...document.session, revision: sessions.summary(id).revision };
      const found = generationMark(session.generation);
      const own = reports.filter(
        (report) => found === 0n || report.generation === 0n || report.generation === found,
      );
      if (own.length === 0) return lives.forget(id);
      const live = lives.restore(id, { ...document, session }, generation, own);
      view.catalog.index.set(live.state.summary(document.bytes));
    });
  }

  /** Writes the file of a session that was reported on. Reports go on meanwhile. @throws SessiondError */
  flush(id: SessionId): Promise<void> {
    const { lives, sessions } = this.#options;
    return sessions.inTurn(id, async (file) => {
      if (!lives.get(id)?.unwritten.length) return;
      try {
        sessions.held(id, file, {});
        await this.complete(id, file);
      } catch (error) {
        // Another program is at it: tried again when it is due again.
        if (!(error instanceof TargetChanged)) throw error;
      }
    });
  }

  /** As `flush`, for a caller that holds the queue. */
  async complete(id: SessionId, file: string): Promise<void> {
    const { lives, sessions, view } = this.#options;
    await nextSlice();
    const live = lives.get(id);
    const last = live?.unwritten.at(-1)?.sequence;
    if (live === undefined || last === undefined) return;
    const expected = view.catalog.get(file)?.identity;
    const bytes = await encodeInSlices(live.state.parts());
    const identity = await sessions.replaceFile(file, bytes, live.mode, expected);
    // Meanwhile another file may have become the one of this session, which is to have the reports.
    if (view.catalog.fileOf(id) !== file || lives.get(id) !== live) return;
    view.catalog.written(file, identity, bytes.length);
    await lives.written(live, last, bytes.length);
  }

  /** Keeps reports whose file cannot be written from holding on to the oldest part of the journal. */
  carryOver(id: SessionId): Promise<void> {
    return this.#options.sessions.inQueue(id, () => this.#options.lives.carryOver(id));
  }

  /** Waits for what was asked for before, then makes all reports that came meanwhile, in one go. */
  async #reportWaiting(id: SessionId, isOverfull: boolean): Promise<void> {
    const { sessions } = this.#options;
    const task = async (file: string) => {
      const live = await this.#loaded(id, file);
      if (isOverfull) await this.complete(id, file);
      const waiting = this.#waiting.get(id) ?? [];
      this.#waiting.delete(id);
      // Not awaited here: the queue is for what must not overlap, and waiting for the disk may.
      for (const { report } of waiting) report(live);
    };
    try {
      await explained(() => sessions.inTurn(id, task));
    } catch (error) {
      const waiting = this.#waiting.get(id) ?? [];
      this.#waiting.delete(id);
      for (const { refuse } of waiting) refuse(error);
    }
  }

  async #loaded(id: SessionId, file: string): Promise<Live> {
    const { lives, sessions, view } = this.#options;
    const live = lives.get(id);
    if (live !== undefined) view.look(file);
    if (live !== undefined && lives.get(id) === live && view.catalog.fileOf(id) === file) return live;
    const document = await sessions.document(file, id);
    const session = { ...document.session, revision: sessions.summary(id).revision };
    // A document that could not be read before may have been given its reports by now.
    return lives.get(id) ?? lives.add(id, { ...document, session });
  }

  async #fitting(
    live: Live,
    delta: ProgressDelta,
    report: (live: Live) => Promise<ProgressReply>,
  ): Promise<ProgressReply> {
    if (this.#options.lives.isOverfull(live, delta))
      throw new SessiondError("payload_too_large", tooLarge(maxStoredBytes + 1));
    return report(live);
  }
}
