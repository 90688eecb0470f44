/** Reports of progress: into the journal at once, into the session's file later. */
import { join } from "node:path";
import type { ProgressReply } from "../contract/replies.ts";
import type { KeyedQueue } from "../keyed-queue.ts";
import type { ProgressDelta } from "../session/command.ts";
import { writtenRevision } from "../session/session.ts";
import type { SessionId } from "../session/session-id.ts";
import type { DirectoryView } from "./directory-view.ts";
import { assertUnchanged } from "./document.ts";
import { type DurableFiles, TargetChanged } from "./durable-file.ts";
import type { LeaseTable } from "./leases.ts";
import type { Live, LiveSessions, Restored } from "./live-sessions.ts";
import type { SessionFiles } from "./session-files.ts";
import type { ReportOptions } from "./session-store.ts";
import { encodeInSlices } from "./session-writer.ts";

export interface ReportsOptions {
  directory: string;
  files: DurableFiles;
  view: DirectoryView;
  queue: KeyedQueue;
  lives: LiveSessions;
  sessions: SessionFiles;
  leases: LeaseTable;
  assertWritable: () => void;
}

export class Reports {
  readonly #options: ReportsOptions;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /**
   * Resolves when a report is durable. It does not wait for other reports of the session, nor for its JSON file; it does
   * wait for changes of other kinds that were asked for before it.
   */
  async report(id: SessionId, delta: ProgressDelta, { epoch }: ReportOptions): Promise<ProgressReply> {
    const { lives, sessions, leases, assertWritable } = this.#options;
    assertWritable();
    const live = lives.get(id);
    if (live !== undefined && !sessions.isChanging(id) && sessions.has(id)) {
      leases.assertMayReport(id, epoch);
      return lives.report(live, delta);
    }
    const { reply } = await sessions.inQueue(id, async (file) => {
      assertWritable();
      const known = await sessions.current(file, id);
      const loaded = lives.get(id) ?? lives.add(id, known.session, known.bytes, known.mode);
      leases.assertMayReport(id, epoch);
      const durable = lives.report(loaded, delta);
      durable.catch(() => {});
      // Not awaited here: the queue is for what must not overlap, and waiting for the disk may.
      return { reply: durable };
    });
    return reply;
  }

  /**
   * Gives a session the reports that an earlier run acknowledged and its file may not hold, and writes the file. Those of
   * another session of the same id are of no use any more.
   */
  async replay(id: SessionId, generation: string, reports: readonly Restored[]): Promise<void> {
    const { lives, sessions, view } = this.#options;
    await sessions.inQueue(id, async (file) => {
      const document = await sessions.document(file, id);
      const { session } = document;
      const isOther = session.generation !== undefined && session.generation !== generation;
      // A document of ours tells what it holds; one of another program does not.
      const isOurs = session.generation !== undefined;
      const left = reports.filter(
        ({ revision }) => !isOther && (!isOurs || revision > writtenRevision(session)),
      );
      if (left.length === 0) return lives.settled(id, Number.MAX_SAFE_INTEGER);
      const known = { ...session, revision: sessions.summary(id).revision };
      const live = lives.restore(id, known, document, left);
      view.catalog.index.set(live.state.summary(document.bytes));
      await this.#write(file, live);
    });
  }

  /** Writes the file of a session that was reported on. Reports go on meanwhile. */
  flush(id: SessionId): Promise<void> {
    const { lives, sessions, queue } = this.#options;
    const file = sessions.locate(id);
    return queue.run(file, async () => {
      const live = lives.get(id);
      if (live === undefined || live.unwritten.length === 0) return;
      try {
        sessions.held(id, file, {});
        await this.#write(file, live);
      } catch (error) {
        lives.postpone(live);
        if (!(error instanceof TargetChanged)) throw error;
      }
    });
  }

  /** As `flush`, for a caller that holds the queue. */
  async complete(id: SessionId, file: string): Promise<void> {
    const live = this.#options.lives.get(id);
    if (live !== undefined && live.unwritten.length > 0) await this.#write(file, live);
  }

  async #write(file: string, live: Live): Promise<void> {
    const { directory, files, lives, view } = this.#options;
    const expected = this.#options.view.catalog.get(file)?.identity;
    const { bytes, revision } = await encodeInSlices(live.state);
    const inspect = () => {
      if (!view.isInPlace()) throw this.#options.sessions.missing(live.id as SessionId);
      assertUnchanged(join(directory, file), expected);
    };
    const identity = await files.write(directory, file, bytes, { mode: live.mode, inspect });
    this.#options.view.catalog.written(file, identity, bytes.length);
    lives.written(live, revision, bytes.length);
  }
}
