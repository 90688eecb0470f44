/**
 * The claims of one session that workers share, kept in the journal. A claim is told when its record is
 * durable. Knows no other session and no queue: callers make sure that nothing else changes the session.
 */
import type { ProgressDelta } from "../../../session/command.ts";
import type { FileLists } from "../../../session/working/file-lists.ts";
import type { WorkingSession } from "../../../session/working/working-session.ts";
import { ClaimedFiles } from "../../claimed-files.ts";
import type { GenerationMark } from "../../generation.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import { claimsRecord, type JournalRecord, kinds } from "../journal/record.ts";

export interface JournaledClaimsOptions {
  id: string;
  /** Of the session that the claims belong to; 0 if that is not known. */
  generation: GenerationMark;
  journal: Journal;
  state: StorageState;
  /** Called when a file may be free that was not. */
  onFree: () => void;
}

export class JournaledClaims {
  readonly claimed: ClaimedFiles;
  readonly #options: JournaledClaimsOptions;
  /** Settles when every record of claims so far is durable, or refused. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(options: JournaledClaimsOptions) {
    this.#options = options;
    this.claimed = new ClaimedFiles(options.onFree);
  }

  isOf(generation: GenerationMark): boolean {
    const own = this.#options.generation;
    return own === 0n || generation === 0n || own === generation;
  }

  /**
   * Claims the first free files, at most `count`. Resolves when the claims are durable, with the files that
   * the lease still holds then.
   */
  async take(working: WorkingSession, lease: number, count: number): Promise<string[]> {
    const { id, generation } = this.#options;
    const record = claimsRecord(kinds.claim, id, { generation, lease });
    const taken = this.claimed.take(working.files, lease, count, record);
    if (taken.length === 0) return taken;
    try {
      await this.#append(record, taken);
    } catch (error) {
      this.claimed.giveBack(working.files, lease, taken);
      throw error;
    }
    // The lists may have been replaced meanwhile.
    return taken.filter((name) => this.claimed.holds(name, lease));
  }

  /**
   * Resolves when it is durable that a lease holds these files no more.
   *
   * @throws SessiondError `not_claimed`
   */
  async giveBack(working: WorkingSession, lease: number, names: readonly string[]): Promise<void> {
    const { id, generation } = this.#options;
    this.claimed.leave(id, lease, names);
    try {
      await this.#append(claimsRecord(kinds.release, id, { generation, lease }), names);
    } catch (error) {
      this.claimed.stay(lease, names);
      throw error;
    }
    this.claimed.giveBack(working.files, lease, names);
  }

  /** Resolves with the files of a lease when each of these claims is durable. */
  async held(working: WorkingSession, lease: number): Promise<string[]> {
    await this.#settled;
    return this.claimed.held(working.files, lease);
  }

  /** A report was applied. */
  reported(delta: ProgressDelta): void {
    this.claimed.reported(delta);
  }

  /** As `reported`, in slices. */
  reportedInSlices(delta: ProgressDelta): Promise<void> {
    return this.claimed.reportedInSlices(delta);
  }

  /** The lists were replaced. Claims of what is not pending any more end. */
  replaced(files: FileLists): void {
    const { id, generation } = this.#options;
    for (const [lease, ended] of this.claimed.replaced(files)) {
      this.#append(claimsRecord(kinds.release, id, { generation, lease }), ended).catch(() => {
        // They end again at the next start, unless they are pending again by then.
      });
    }
  }

  /**
   * Appends the claims that are in records before a sequence to the journal again, so that they do not keep
   * its oldest segments.
   */
  async carryOver(before: number): Promise<void> {
    const { id, generation } = this.#options;
    for (const [lease, files] of this.claimed.keptBefore(before)) {
      const record = claimsRecord(kinds.claim, id, { generation, lease });
      await this.#append(record, files);
      this.claimed.keep(lease, files, record);
    }
  }

  #append(record: JournalRecord, files: readonly string[]): Promise<void> {
    const { journal, state } = this.#options;
    record.payload = Buffer.from(JSON.stringify(files));
    const done = state.track(journal.append(record));
    this.#settled = done.catch(() => {});
    return done;
  }
}
