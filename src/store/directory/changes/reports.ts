/** Reports of progress: into the journal at once, into the session's file later. */

import { nextSlice } from "../../../async/slices.ts";
import type { ProgressReply } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { LeaseTable } from "../../lease-table.ts";
import type { ProgressOptions } from "../../session-store.ts";
import { TargetChanged } from "../disk/durable-files.ts";
import { encodeSession } from "../disk/encode-session.ts";
import type { Document } from "../disk/read-document.ts";
import { maxStoredBytes, tooLarge } from "../disk/session-codec.ts";
import { type StorageState, withStorageErrors } from "../disk/storage-state.ts";
import { type EncodedReport, encodeReport } from "../journal/encode-report.ts";
import type { Live, Restored } from "../reported/reported-session.ts";
import type { LiveSessions } from "../reported/reported-sessions.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { SessionFiles } from "./session-files.ts";
import type { SessionTurns } from "./session-turns.ts";

export interface ReportsOptions {
  view: DirectoryView;
  lives: LiveSessions;
  sessions: SessionFiles;
  turns: SessionTurns;
  leases: LeaseTable;
  state: StorageState;
}

/** Loading a session in slices is given up after it has changed meanwhile so often. */
const maxLoads = 3;

interface Waiting {
  report: EncodedReport;
  make: (live: Live) => void;
  refuse: (error: unknown) => void;
}

/** Reports that came while their session was being loaded or changed, in the order of the calls. */
interface Gathering {
  waiting: Waiting[];
  /** The last change that was asked for before them. */
  after: number | undefined;
}

export class Reports {
  readonly #options: ReportsOptions;
  /** By session, the newest. */
  readonly #gatherings = new Map<string, Gathering>();

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a report is durable. It does not wait for other reports of the session, nor for its file; it does wait for
   * changes of other kinds that were asked for before it.
   */
  report(id: SessionId, delta: ProgressDelta, { epoch, json }: ProgressOptions): Promise<ProgressReply> {
    // No async function around it: there is one for every report.
    try {
      return this.#report(id, encodeReport(delta, json), epoch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #report(id: SessionId, report: EncodedReport, epoch: number | undefined): Promise<ProgressReply> {
    const { lives, sessions, turns, leases, state } = this.#options;
    const make = (live: Live) => {
      state.assertWritable();
      leases.assertMayReport(id, epoch);
      return lives.report(live, report);
    };
    const live = lives.get(id);
    const mayGoOn = !this.#gatherings.has(id) && turns.lastChange(id) === undefined && sessions.has(id);
    if (live !== undefined && mayGoOn && !lives.isOverfull(live, report)) return make(live);
    const gathering = this.#gather(id);
    const done = new Promise<ProgressReply>((resolve, refuse) => {
      gathering.waiting.push({ report, make: (live) => resolve(make(live)), refuse });
    });
    return state.track(done);
  }

  /**
   * Gives a session the reports that an earlier run acknowledged and its file may not hold. The file follows as after any other
   * report, so that a disk that is full does not keep the store from opening.
   */
  restore(id: SessionId, generation: GenerationMark, reports: readonly Restored[]): Promise<void> {
    const { lives, turns, view } = this.#options;
    return turns.change(id, async (file) => {
      const document = await this.#document(id, file);
      const found = generationMark(document.session.generation);
      const own = reports.filter(
        (report) => found === 0n || report.generation === 0n || report.generation === found,
      );
      if (own.length === 0) return void lives.forget(id);
      const live = lives.restore(id, document, generation, own);
      view.catalog.index.set(live.state.summary(document.bytes));
    });
  }

  /** Writes the file of a session that was reported on. Reports go on meanwhile. @throws SessiondError */
  flush(id: SessionId): Promise<void> {
    const { lives, sessions, turns } = this.#options;
    return turns.run(id, async (file) => {
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

  /** As `flush`, for a caller that holds the queue. @throws TargetChanged also if the session is in another file by now */
  async complete(id: SessionId, file: string): Promise<void> {
    const { lives, sessions, view } = this.#options;
    await nextSlice();
    if (view.catalog.fileOf(id) !== file) throw new TargetChanged();
    const live = lives.get(id);
    const last = live?.unwritten.at(-1)?.sequence;
    if (live === undefined || last === undefined) return;
    const expected = view.catalog.get(file)?.identity;
    const bytes = await live.state.withSnapshot(encodeSession);
    const identity = await sessions.replaceFile(file, bytes, live.mode, expected);
    // Meanwhile another file may have become the one of this session, which is to have the reports.
    if (view.catalog.fileOf(id) !== file || lives.get(id) !== live) return;
    view.catalog.written(file, identity, bytes.length);
    await lives.written(live, last, bytes.length);
  }

  /** Keeps reports whose file cannot be written from holding on to the oldest part of the journal. */
  carryOver(id: SessionId): Promise<void> {
    return this.#options.turns.change(id, () => this.#options.lives.carryOver(id));
  }

  /** Where a report waits that is asked for now. */
  #gather(id: SessionId): Gathering {
    const after = this.#options.turns.lastChange(id);
    const newest = this.#gatherings.get(id);
    if (newest !== undefined && newest.after === after) return newest;
    const gathering = { waiting: [], after };
    this.#gatherings.set(id, gathering);
    void this.#makeGathered(id, gathering);
    return gathering;
  }

  /** Waits for what was asked for before, then makes all reports that came meanwhile, in one go. */
  async #makeGathered(id: SessionId, gathering: Gathering): Promise<void> {
    const { turns, lives } = this.#options;
    const task = async (file: string) => {
      const live = await this.#loaded(id, file);
      const isOverfull = gathering.waiting.some(({ report }) => lives.isOverfull(live, report));
      if (isOverfull) await this.complete(id, file);
      this.#close(id, gathering);
      // Not awaited here: the queue is for what must not overlap, and waiting for the disk may.
      for (const { report, make, refuse } of gathering.waiting) {
        if (lives.isOverfull(live, report)) refuse(overfull());
        else attempt(() => make(live), refuse);
      }
    };
    try {
      await withStorageErrors(() => turns.run(id, task));
    } catch (error) {
      this.#close(id, gathering);
      for (const { refuse } of gathering.waiting) refuse(error);
    }
  }

  #close(id: SessionId, gathering: Gathering): void {
    if (this.#gatherings.get(id) === gathering) this.#gatherings.delete(id);
  }

  async #loaded(id: SessionId, file: string): Promise<Live> {
    const { lives, view } = this.#options;
    const live = lives.get(id);
    if (live !== undefined) view.look(file);
    if (live !== undefined && lives.get(id) === live && view.catalog.fileOf(id) === file) return live;
    for (let attempt = 1; ; attempt++) {
      const document = await this.#document(id, file);
      // Where another program writes it all the time, at one go.
      const state = attempt < maxLoads ? await WorkingSession.load(document.session) : undefined;
      if (state !== undefined && view.catalog.get(file)?.identity !== document.identity) continue;
      // A document that could not be read before may have been given its reports by now.
      return lives.get(id) ?? lives.add(id, document, state);
    }
  }

  /** With the revision that the index knows. */
  async #document(id: SessionId, file: string): Promise<Document> {
    const { sessions } = this.#options;
    const document = await sessions.document(file, id);
    return { ...document, session: { ...document.session, revision: sessions.summary(id).revision } };
  }
}

function overfull(): SessiondError {
  return new SessiondError("payload_too_large", tooLarge(maxStoredBytes + 1));
}

function attempt(task: () => void, refuse: (error: unknown) => void): void {
  try {
    task();
  } catch (error) {
    refuse(error);
  }
}
