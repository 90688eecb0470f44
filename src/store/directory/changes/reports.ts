/**
 * Accepts reports of progress: at once if the session is in memory and nothing changes it, else in the turn
 * of the reports. Reports go into the journal; write-session-file.ts writes the files.
 */
import type { ProgressReply } from "../../../contract/replies.ts";
import { SessiondError } from "../../../error.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { WorkingSession } from "../../../session/working/working-session.ts";
import { maxStoredBytes, tooLarge } from "../../document/decode-session.ts";
import { type EncodedReport, encodeReport } from "../../document/encode-report.ts";
import { type GenerationMark, generationMark } from "../../generation.ts";
import type { LeaseTable } from "../../lease-table.ts";
import type { ProgressOptions } from "../../session-store.ts";
import type { Document } from "../disk/read-document.ts";
import { type StorageState, withStorageErrors } from "../disk/storage-state.ts";
import { isLarge, type ReplayedReport, type ReportedSession } from "../reported/reported-session.ts";
import type { DirectoryView } from "../view/directory-view.ts";
import type { SessionClaims } from "./claims.ts";
import type { CurrentDocuments } from "./current-document.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { GatheredReports, SessionSlots, WaitingReport } from "./session-slots.ts";
import type { SessionTurns } from "./session-turns.ts";
import type { SessionFileWriter } from "./write-session-file.ts";

export interface ReportsOptions {
  view: DirectoryView;
  slots: SessionSlots;
  known: KnownSessions;
  turns: SessionTurns;
  documents: CurrentDocuments;
  writer: SessionFileWriter;
  leases: LeaseTable;
  claims: SessionClaims;
  state: StorageState;
}

/**
 * A session that changes while it is loaded in slices is loaded again. The last of these attempts loads it in
 * one go.
 */
const maxLoads = 3;

type Make<T> = (session: ReportedSession, report: EncodedReport) => Promise<T>;

/** For a task that is no report: it makes no document longer. */
const nothing: EncodedReport = { delta: {}, payload: Buffer.alloc(0), items: 0, growth: 0 };

export class Reports {
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a report is durable. It does not wait for other reports of the session, nor for its file;
   * it does wait for changes of other kinds that were asked for before it.
   */
  report(id: SessionId, delta: ProgressDelta, { epoch, json }: ProgressOptions): Promise<ProgressReply> {
    // Not an async function: that would cost a promise for every report.
    try {
      return this.#report(id, encodeReport(delta, json), epoch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #report(
    id: SessionId,
    report: EncodedReport | Promise<EncodedReport>,
    epoch: number | undefined,
  ): Promise<ProgressReply> {
    const { leases, claims, state } = this.#options;
    let isChecked = false;
    const make: Make<ProgressReply> = (session, report) => {
      state.assertWritable();
      const held = leases.assertMayReport(id, epoch);
      const mustCheck = held?.lease.shared && !isChecked;
      return session.report(mustCheck ? claims.admit(session, held.id, report) : report);
    };
    const isShort = !(report instanceof Promise || isLarge(report));
    if (isShort || !leases.isShared(id, epoch)) return this.#inTurn(id, report, make);
    return this.#inTurn(id, report, make, async (session, report) => {
      const held = leases.assertShared(id, epoch);
      const admitted = await claims.admitInSlices(session, held.id, report);
      isChecked = true;
      return admitted;
    });
  }

  /**
   * Runs a task with a session that is in memory while nothing changes the session, in the order of the
   * reports.
   */
  async inTurn<T>(id: SessionId, task: (session: ReportedSession) => Promise<T>): Promise<T> {
    return this.#inTurn(id, nothing, task);
  }

  #inTurn<T>(
    id: SessionId,
    report: EncodedReport | Promise<EncodedReport>,
    make: Make<T>,
    check?: WaitingReport["check"],
  ): Promise<T> {
    const { slots, known, state } = this.#options;
    const slot = slots.find(id);
    const ready = report instanceof Promise || check !== undefined ? undefined : report;
    if (ready !== undefined && slot?.isOpenToReports && known.has(id) && !slot.reported?.isOverfull(ready))
      return make(slot.reported as ReportedSession, ready);
    // Also a report that is still being encoded or checked, so that no later one overtakes it.
    const { waiting } = this.#gather(id);
    const done = new Promise<T>((resolve, refuse) => {
      waiting.push({ report, check, make: (session, encoded) => resolve(make(session, encoded)), refuse });
    });
    return state.track(done);
  }

  /**
   * Applies reports that an earlier run acknowledged and that the file may not hold. The file is not written
   * here: a full disk must not keep the store from opening.
   */
  replay(id: SessionId, generation: GenerationMark, reports: readonly ReplayedReport[]): Promise<void> {
    const { slots, turns, view } = this.#options;
    return turns.change(id, async (file) => {
      const document = await this.#document(id, file);
      const found = generationMark(document.session.generation);
      const own = reports.filter(
        (report) => found === 0n || report.generation === 0n || report.generation === found,
      );
      if (own.length === 0) return void slots.forget(id);
      const reported = slots.add(document);
      reported.replay(own, generation);
      view.catalog.index.set(reported.summary());
    });
  }

  /** The group of waiting reports that a report of this moment joins. */
  #gather(id: SessionId): GatheredReports {
    const { slots, turns } = this.#options;
    const slot = slots.open(id);
    const after = turns.newestChange(id);
    if (slot.gathered?.after === after) return slot.gathered;
    slot.gathered = { waiting: [], after };
    void this.#makeGathered(id, slot.gathered);
    return slot.gathered;
  }

  /** Waits for the turn of these reports, then makes all of them. */
  async #makeGathered(id: SessionId, gathered: GatheredReports): Promise<void> {
    const { turns, writer } = this.#options;
    const task = async (file: string) => {
      const session = await this.#loaded(id, file);
      const { waiting } = gathered;
      // Others may join whenever this waits.
      for (let isWritten = false; ; ) {
        const long = waiting.find((one) => !isEncoded(one));
        const unchecked = waiting.filter(isEncoded).find(({ check }) => check !== undefined);
        if (long !== undefined) long.report = await long.report;
        else if (unchecked !== undefined) await checkWaiting(unchecked, session, waiting);
        else if (!isWritten && waiting.filter(isEncoded).some(({ report }) => session.isOverfull(report))) {
          await writer.writeReports(id, file);
          isWritten = true;
        } else break;
      }
      this.#close(id, gathered);
      // Not awaited: the queue is for work that must not overlap, and waiting for the disk may overlap.
      for (const { report, make, refuse } of waiting.filter(isEncoded)) {
        if (session.isOverfull(report)) refuse(overfull());
        else attempt(() => make(session, report), refuse);
      }
    };
    try {
      await withStorageErrors(() => turns.run(id, task));
    } catch (error) {
      this.#close(id, gathered);
      for (const { refuse } of gathered.waiting) refuse(error);
    }
  }

  /** Closes a group: later reports do not join it. */
  #close(id: SessionId, gathered: GatheredReports): void {
    const { slots } = this.#options;
    const slot = slots.find(id);
    if (slot?.gathered !== gathered) return;
    slot.gathered = undefined;
    slots.release(id);
  }

  async #loaded(id: SessionId, file: string): Promise<ReportedSession> {
    const { slots, view } = this.#options;
    const reported = slots.reported(id);
    if (reported !== undefined) view.look(file);
    const isThis = reported !== undefined && slots.reported(id) === reported;
    if (isThis && view.catalog.fileOf(id) === file) return reported;
    for (let attempt = 1; ; attempt++) {
      const document = await this.#document(id, file);
      // In one go if another program writes the file all the time.
      const working = attempt < maxLoads ? await WorkingSession.load(document.session) : undefined;
      if (working !== undefined && view.catalog.get(file)?.identity !== document.identity) continue;
      // The document may have been unreadable before, and may have been given its reports by now.
      return slots.reported(id) ?? slots.add(document, working);
    }
  }

  /** The document, with the revision that the index knows. */
  async #document(id: SessionId, file: string): Promise<Document> {
    const { documents, known } = this.#options;
    const document = await documents.document(file, id);
    return { ...document, session: { ...document.session, revision: known.summary(id).revision } };
  }
}

type EncodedWaitingReport = WaitingReport & { report: EncodedReport };

function isEncoded(waiting: WaitingReport): waiting is EncodedWaitingReport {
  return !(waiting.report instanceof Promise);
}

/** A report that is refused waits no more. */
async function checkWaiting(
  report: EncodedWaitingReport,
  session: ReportedSession,
  waiting: WaitingReport[],
): Promise<void> {
  const { check } = report;
  report.check = undefined;
  try {
    if (check !== undefined) report.report = await check(session, report.report);
  } catch (error) {
    waiting.splice(waiting.indexOf(report), 1);
    report.refuse(error);
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
