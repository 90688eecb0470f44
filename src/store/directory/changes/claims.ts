/**
 * The claims of all sessions that workers share: who may claim, and for which lease. Callers make sure that
 * the session is in memory and that nothing changes it meanwhile.
 */
import type { ProgressDelta } from "../../../session/command.ts";
import type { Session } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { FileLists } from "../../../session/working/file-lists.ts";
import { admitReport, admitReportInSlices, type Reporter } from "../../admit-report.ts";
import { ClaimedFiles } from "../../claimed-files.ts";
import { type EncodedReport, encodeReport, jsonOf, sizeOf } from "../../document/encode-report.ts";
import type { GenerationMark } from "../../generation.ts";
import type { HeldLease } from "../../lease-rules.ts";
import type { LeaseTable } from "../../lease-table.ts";
import type { Taken } from "../../session-store.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { Journal } from "../journal/journal.ts";
import type { JournalClaim } from "../journal/journal-claims.ts";
import { JournaledClaims } from "../reported/journaled-claims.ts";
import type { ReportedSession } from "../reported/reported-session.ts";
import type { SessionSlots } from "./session-slots.ts";

export interface SessionClaimsOptions {
  slots: SessionSlots;
  leases: LeaseTable;
  journal: Journal;
  state: StorageState;
}

export class SessionClaims {
  readonly #options: SessionClaimsOptions;
  /** By session id, from the first claim until the last shared lease has ended. */
  readonly #sessions = new Map<string, JournaledClaims>();
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
    const claims = this.#of(session);
    const free = () => claims.claimed.free(working.files);
    const fair = Math.max(1, Math.ceil(free() / leases.countFor(id)));
    const wanted = working.status === "running" ? Math.min(count, fair) : 0;
    const files = await claims.take(working, lease, wanted);
    // It may have ended meanwhile, and its files may be another's by now.
    leases.assertShared(id, epoch);
    return { files, left: working.pendingCount, free: free() };
  }

  /** As `Claims.giveBack`. */
  async giveBack(session: ReportedSession, epoch: number, files: readonly string[]): Promise<void> {
    const { leases, state } = this.#options;
    state.assertWritable();
    const { id: lease } = leases.assertShared(session.id, epoch);
    await this.#of(session).giveBack(session.working, lease, files);
  }

  /** As `Claims.held`. */
  async held(session: ReportedSession, epoch: number): Promise<string[]> {
    const { id: lease } = this.#options.leases.assertShared(session.id, epoch);
    return this.#of(session).held(session.working, lease);
  }

  /** As `Claims.counts`. */
  counts(id: string): Map<number, number> {
    const claimed = this.#sessions.get(id)?.claimed;
    const shared = this.#options.leases.heldFor(id).filter(({ lease }) => lease.shared);
    return new Map(shared.map((held) => [held.lease.epoch, claimed?.count(held.id) ?? 0]));
  }

  /** As `admitReport`. */
  admit(session: ReportedSession, lease: number, report: EncodedReport): EncodedReport {
    const delta = admitReport(this.#reporter(session, lease), report.delta);
    if (delta === report.delta) return report;
    const payload = jsonOf(delta);
    return { delta, payload, ...sizeOf(payload) };
  }

  /** As `admit`, in slices. */
  async admitInSlices(
    session: ReportedSession,
    lease: number,
    report: EncodedReport,
  ): Promise<EncodedReport> {
    const delta = await admitReportInSlices(this.#reporter(session, lease), report.delta);
    return delta === report.delta ? report : encodeReport(delta);
  }

  /** As `admitReport`, for a session that need not be in memory. */
  admitTo(session: Session, lease: number, delta: ProgressDelta): ProgressDelta {
    const { session_id: id, processed_files, pending_files } = session;
    const claimed = this.#sessions.get(id)?.claimed ?? new ClaimedFiles(() => {});
    const lists = new FileLists(processed_files, pending_files);
    return admitReport({ id, claimed, lease, files: () => lists }, delta);
  }

  /** @throws SessiondError `not_claimed` if somebody holds one of the files */
  assertFree({ session_id: id, processed_files, pending_files }: Session, files: readonly string[]): void {
    const claims = this.#sessions.get(id);
    if (claims === undefined) return;
    // Claims that an earlier run left may be of files that are not pending any more.
    if (this.#options.slots.reported(id)?.claims !== claims)
      claims.replaced(new FileLists(processed_files, pending_files));
    claims.claimed.assertFree(id, files);
  }

  /** Gives the leases that are still there what the journal says that they had claimed. */
  restore(id: string, found: ReadonlyMap<string, JournalClaim>, current: GenerationMark): void {
    const known = new Set(this.#options.leases.heldFor(id).map((held) => held.id));
    for (const [file, claim] of found) {
      const { lease, generation } = claim;
      if (!known.has(lease)) continue;
      const claims = this.#sessions.get(id) ?? this.#add(id, current || generation);
      if (claims.isOf(generation)) claims.claimed.restore(file, lease, claim);
    }
  }

  isClaimedBefore(sequence: number): boolean {
    for (const { claimed } of this.#sessions.values()) if (claimed.isAnyKeptBefore(sequence)) return true;
    return false;
  }

  /** Sessions with claims in records before a sequence. */
  claimedBefore(sequence: number): SessionId[] {
    const found = [...this.#sessions].filter(([, { claimed }]) => claimed.isAnyKeptBefore(sequence));
    return found.map(([id]) => id as SessionId);
  }

  /** As `JournaledClaims.carryOver`. */
  async carryOver(id: string, before: number): Promise<void> {
    await this.#sessions.get(id)?.carryOver(before);
  }

  /** A shared lease was released. Its reports that are under way still count. */
  async released({ id: lease, lease: { session_id: id } }: HeldLease): Promise<void> {
    const { slots, leases } = this.#options;
    await slots.find(id)?.reported?.idle();
    const reported = slots.reported(id);
    const claimed = this.#sessions.get(id)?.claimed;
    claimed?.endLease(reported?.working.files, lease);
    // Other leases may have ended that have not given back their files yet.
    if (leases.countFor(id) > 0 || claimed?.isEmpty === false) return;
    this.#sessions.delete(id);
    if (reported !== undefined) reported.claims = undefined;
  }

  /** The session was deleted, or another one has its id. */
  forget(id: string): void {
    if (this.#sessions.delete(id)) this.#tellFree(id);
  }

  /** The claims of a session that is in memory. From now on they follow its changes. */
  #of(session: ReportedSession): JournaledClaims {
    const { id, generation } = session;
    const known = this.#sessions.get(id);
    const claims = known?.isOf(generation) ? known : this.#add(id, generation);
    if (session.claims !== claims) {
      session.claims = claims;
      claims.replaced(session.working.files);
    }
    return claims;
  }

  #reporter(session: ReportedSession, lease: number): Reporter {
    const { claimed } = this.#of(session);
    return { id: session.id, claimed, lease, files: () => session.working.files };
  }

  #add(id: string, generation: GenerationMark): JournaledClaims {
    const { journal, state } = this.#options;
    const onFree = () => this.#tellFree(id);
    const claims = new JournaledClaims({ id, generation, journal, state, onFree });
    this.#sessions.set(id, claims);
    return claims;
  }

  #tellFree(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}
