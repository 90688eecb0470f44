/**
 * The claims of all sessions that workers share: which files each lease holds, kept in the journal. Callers
 * make sure that the session is in memory and that nothing changes it meanwhile.
 */
import type { ProgressDelta } from "../../../session/command.ts";
import type { Session } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { FileLists } from "../../../session/working/file-lists.ts";
import { ClaimedFiles } from "../../claimed-files.ts";
import type { GenerationMark } from "../../generation.ts";
import type { HeldLease, LeaseTable } from "../../lease-table.ts";
import type { Taken } from "../../session-store.ts";
import type { StorageState } from "../disk/storage-state.ts";
import { type EncodedReport, jsonOf, sizeOf } from "../journal/encode-report.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalClaim } from "../journal/journal-claims.ts";
import { claimsRecord, type JournalRecord, kinds } from "../journal/record.ts";
import type { ReportedSession } from "../reported/reported-session.ts";
import type { SessionSlots } from "./session-slots.ts";

export interface SessionClaimsOptions {
  slots: SessionSlots;
  leases: LeaseTable;
  journal: Journal;
  state: StorageState;
}

/** The claims of one session. */
interface Entry {
  readonly claimed: ClaimedFiles;
  /** Of the session that they belong to; 0 if that is not known. */
  readonly generation: GenerationMark;
  /** The newest record of claims: when it is durable, all before it are. */
  newest: Promise<unknown>;
}

export class SessionClaims {
  readonly #options: SessionClaimsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(id: string) => void>();

  constructor(options: SessionClaimsOptions) {
    this.#options = options;
  }

  onFree(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** As `Claims.take`. */
  async take(session: ReportedSession, epoch: number, count: number): Promise<Taken> {
    const { leases, state } = this.#options;
    const { id, working } = session;
    state.assertWritable();
    const { id: lease } = leases.assertShared(id, epoch);
    const entry = this.#entryOf(session);
    const { claimed } = entry;
    const fair = Math.max(1, Math.ceil(claimed.free(working.files) / leases.countFor(id)));
    const record = claimsRecord(kinds.claim, id, { generation: session.generation, lease, files: [] });
    const wanted = working.status === "running" ? Math.min(count, fair) : 0;
    const files = claimed.take(working.files, lease, wanted, record);
    if (files.length > 0) {
      record.payload = encode(files);
      try {
        await this.#append(entry, record);
      } catch (error) {
        claimed.giveBack(working.files, lease, files);
        throw error;
      }
      // It may have ended meanwhile, and its files may be another's by now.
      leases.assertShared(id, epoch);
    }
    return { files, left: working.pendingCount, free: claimed.free(working.files) };
  }

  /** As `Claims.giveBack`. */
  async giveBack(session: ReportedSession, epoch: number, files: readonly string[]): Promise<void> {
    const { leases, state } = this.#options;
    const { id, working, generation } = session;
    state.assertWritable();
    const { id: lease } = leases.assertShared(id, epoch);
    const entry = this.#entryOf(session);
    entry.claimed.leave(id, lease, files);
    try {
      await this.#append(entry, claimsRecord(kinds.release, id, { generation, lease, files }));
    } catch (error) {
      entry.claimed.stay(lease, files);
      throw error;
    }
    entry.claimed.giveBack(working.files, lease, files);
  }

  /** As `Claims.held`. */
  async held(session: ReportedSession, epoch: number): Promise<string[]> {
    const { leases } = this.#options;
    const { id: lease } = leases.assertShared(session.id, epoch);
    const { claimed, newest } = this.#entryOf(session);
    await newest;
    return claimed.held(session.working.files, lease);
  }

  /** As `Claims.counts`. */
  counts(id: string): Map<number, number> {
    const claimed = this.#entries.get(id)?.claimed;
    const shared = this.#options.leases.heldFor(id).filter(({ lease }) => lease.shared);
    return new Map(shared.map((held) => [held.lease.epoch, claimed?.count(held.id) ?? 0]));
  }

  /** As `ClaimedFiles.admit`. */
  admit(session: ReportedSession, lease: number, report: EncodedReport): EncodedReport {
    const { claimed } = this.#entryOf(session);
    const delta = claimed.admit(session.id, session.working.files, lease, report.delta);
    if (delta === report.delta) return report;
    const payload = jsonOf(delta);
    return { delta, payload, ...sizeOf(payload) };
  }

  /** As `ClaimedFiles.admit`, for a session that need not be in memory. */
  admitTo(session: Session, lease: number, delta: ProgressDelta): ProgressDelta {
    const { session_id: id, processed_files, pending_files } = session;
    const claimed = this.#entries.get(id)?.claimed ?? new ClaimedFiles(() => {});
    return claimed.admit(id, new FileLists(processed_files, pending_files), lease, delta);
  }

  /** @throws SessiondError `not_claimed` if somebody holds one of the files */
  assertFree({ session_id: id, processed_files, pending_files }: Session, files: readonly string[]): void {
    const claimed = this.#entries.get(id)?.claimed;
    if (claimed === undefined) return;
    // Claims that an earlier run left may be of files that are not pending any more.
    if (this.#options.slots.reported(id)?.claims !== claimed)
      claimed.replaced(new FileLists(processed_files, pending_files));
    claimed.assertFree(id, files);
  }

  /** Gives the leases that are still there what the journal says that they had claimed. */
  restore(id: string, found: ReadonlyMap<string, JournalClaim>, current: GenerationMark): void {
    const known = new Set(this.#options.leases.heldFor(id).map((held) => held.id));
    for (const [file, claim] of found) {
      const { lease, generation } = claim;
      const isOwn = current === 0n || generation === 0n || generation === current;
      if (!isOwn || !known.has(lease)) continue;
      const { claimed } = this.#entries.get(id) ?? this.#newEntry(id, { generation });
      claimed.restore(file, lease, claim);
    }
  }

  isClaimedBefore(sequence: number): boolean {
    for (const { claimed } of this.#entries.values()) if (claimed.isAnyKeptBefore(sequence)) return true;
    return false;
  }

  /** Sessions with claims in records before a sequence. */
  claimedBefore(sequence: number): SessionId[] {
    const found: SessionId[] = [];
    for (const [id, { claimed }] of this.#entries)
      if (claimed.isAnyKeptBefore(sequence)) found.push(id as SessionId);
    return found;
  }

  /**
   * Appends the claims of a session that are in records before a sequence to the journal again, so that they
   * do not keep its oldest segments.
   */
  async carryOver(id: string, before: number): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { claimed, generation } = entry;
    for (const [lease, files] of claimed.keptBefore(before)) {
      const record = claimsRecord(kinds.claim, id, { generation, lease, files });
      await this.#append(entry, record);
      claimed.keep(lease, files, record);
    }
  }

  /** A shared lease was released. Its reports that are under way still count. */
  async released({ id: lease, lease: { session_id: id } }: HeldLease): Promise<void> {
    const { slots, leases } = this.#options;
    await slots.find(id)?.reported?.idle();
    const reported = slots.reported(id);
    this.#entries.get(id)?.claimed.endLease(reported?.working.files, lease);
    if (leases.countFor(id) > 0) return;
    this.#entries.delete(id);
    if (reported !== undefined) reported.claims = undefined;
  }

  /** The session was deleted, or another one has its id. */
  forget(id: string): void {
    if (this.#entries.delete(id)) this.#tellFree(id);
  }

  /** The claims of a session that is in memory. From now on they follow its changes. */
  #entryOf(session: ReportedSession): Entry {
    const known = this.#entries.get(session.id);
    const entry = known !== undefined && isOf(known, session) ? known : this.#newEntry(session.id, session);
    if (session.claims !== entry.claimed) {
      session.claims = entry.claimed;
      entry.claimed.replaced(session.working.files);
    }
    return entry;
  }

  #newEntry(id: string, { generation }: Pick<Entry, "generation">): Entry {
    const claimed = new ClaimedFiles(() => this.#tellFree(id));
    const entry = { claimed, generation, newest: Promise.resolve() };
    this.#entries.set(id, entry);
    return entry;
  }

  #append(entry: Entry, record: JournalRecord): Promise<void> {
    const { journal, state } = this.#options;
    const done = state.track(journal.append(record));
    entry.newest = done.catch(() => {});
    return done;
  }

  #tellFree(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}

function isOf(entry: Entry, { generation }: ReportedSession): boolean {
  return entry.generation === 0n || generation === 0n || entry.generation === generation;
}

function encode(files: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(files));
}
