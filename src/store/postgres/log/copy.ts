/**
 * A session in memory, exact as of one change of its log. Whoever appends applies what he appends; what other
 * daemons append comes from the journal. Both come to the same state: a test holds them together.
 */
import { parseJson } from "../../../json/exact-json.ts";
import { parseJsonInSlices } from "../../../json/parse-in-slices.ts";
import type { ProgressDelta } from "../../../session/command.ts";
import type { Session, SessionSummary } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { PreparedDocument, WorkingSession } from "../../../session/working/working-session.ts";
import { formatTimestamp, type Micros } from "../../../time/clock.ts";
import { ClaimedFiles } from "../../claimed-files.ts";
import { maxStoredDepth } from "../../document/decode-session.ts";
import type { LeaseClaims } from "./documents.ts";
import type { SessionLease, WritableCopy } from "./log.ts";

/** A row of `journal`. */
export interface JournalRow {
  seq: number;
  kind: "r" | "c" | "g";
  revision: number;
  at_us: Micros;
  data: Buffer;
}

/** What a copy begins with. */
export interface CopyState {
  sid: number;
  id: SessionId;
  /** Of the document from which `working` was made. */
  seq: number;
  frameSeq: number;
  baseSeq: number;
  bytes: number;
  logBytes: number;
  leases: ReadonlyMap<number, SessionLease>;
  working: WorkingSession;
  claims: readonly LeaseClaims[];
}

/** A longer report is applied in slices. */
const longBytes = 1024 * 1024;

export class Copy implements WritableCopy {
  readonly sid: number;
  readonly id: SessionId;
  readonly working: WorkingSession;
  readonly claimed: ClaimedFiles;
  seq: number;
  frameSeq: number;
  baseSeq: number;
  /** Of the document as it was last written. */
  bytes: number;
  logBytes: number;
  leases: ReadonlyMap<number, SessionLease>;
  next: WritableCopy["next"] = { revision: 0, time: 0 };
  /** When the last report was made; null if the frame has the time. */
  time: Micros | null = null;
  /** Whether a file may be free that was not, since somebody asked. */
  hasFreed = false;
  /** By lease, how many files it has claimed, as this daemon has last written into the table `leases`. */
  readonly counted = new Map<number, number>();
  /** A summary but for what a report changes; undefined if the frame has changed since. */
  #template: SessionSummary | undefined;

  constructor(state: CopyState) {
    this.sid = state.sid;
    this.id = state.id;
    this.seq = state.seq;
    this.frameSeq = state.frameSeq;
    this.baseSeq = state.baseSeq;
    this.bytes = state.bytes;
    this.logBytes = state.logBytes;
    this.leases = state.leases;
    this.working = state.working;
    this.claimed = new ClaimedFiles(() => {
      this.hasFreed = true;
    });
    for (const [lease, files] of state.claims) this.claimed.adopt(this.working.files, lease, files);
  }

  /** About how many bytes of memory it takes. */
  get weight(): number {
    return this.bytes + this.logBytes;
  }

  get hasSharedLease(): boolean {
    for (const { lease } of this.leases.values()) return lease.shared;
    return false;
  }

  summary(): SessionSummary {
    return this.working.summary(this.bytes);
  }

  /** The summary of this moment, for somebody who asks later. */
  summaryLater(): () => SessionSummary {
    this.#template ??= this.summary();
    const { working, time } = this;
    const template = this.#template;
    const { revision, processedCount: processed_count, pendingCount: pending_count } = working;
    return () => ({
      ...template,
      revision,
      processed_count,
      pending_count,
      checkpoint_time: time === null ? template.checkpoint_time : formatTimestamp(time),
    });
  }

  /** Another daemon has appended this. In slices. */
  async follow({ seq, kind, revision, at_us, data }: JournalRow): Promise<void> {
    const isLong = data.length > longBytes;
    const value = isLong
      ? await parseJsonInSlices(data, maxStoredDepth)
      : parseJson(data.toString(), maxStoredDepth);
    if (kind === "r") {
      const delta = value as ProgressDelta;
      const prepared = isLong ? await this.working.prepare(delta) : undefined;
      this.working.report(delta, revision, at_us, prepared);
      this.time = at_us;
      if (isLong) await this.claimed.reportedInSlices(delta);
      else this.claimed.reported(delta);
    } else {
      const { lease, files } = value as { lease: number; files: string[] };
      if (kind === "c") this.claimed.adopt(this.working.files, lease, files);
      else this.claimed.giveBack(this.working.files, lease, files);
    }
    this.seq = seq;
    this.logBytes += data.length;
    this.counted.clear();
  }

  /** The document has another frame; its lists and results stay. */
  reframe(frame: Session, frameSeq: number): void {
    this.working.reframe(frame);
    this.frameSeq = frameSeq;
    this.time = null;
    this.#template = undefined;
  }

  /** The document was replaced. */
  replace(next: Session, prepared: PreparedDocument, seq: number, bytes: number): void {
    this.working.replace(next, undefined, prepared);
    this.claimed.replaced(this.working.files);
    this.baseSeq = seq;
    this.frameSeq = seq;
    this.bytes = bytes;
    this.logBytes = 0;
    this.counted.clear();
    this.time = null;
    this.#template = undefined;
  }

  /** Claims of leases that are gone end. */
  setLeases(leases: ReadonlyMap<number, SessionLease>): void {
    this.leases = leases;
    const known = new Set(Array.from(leases.values(), ({ id }) => id));
    for (const lease of this.claimed.leases()) {
      if (known.has(lease)) continue;
      this.claimed.endLease(this.working.files, lease);
      this.counted.delete(lease);
    }
    this.hasFreed = true;
  }

  /** The document was written as of a change. */
  compacted(baseSeq: number, bytes: number, logBytes: number): void {
    this.baseSeq = baseSeq;
    this.resize(bytes, logBytes);
  }

  /** What is stored has another size. */
  resize(bytes: number, logBytes: number): void {
    this.bytes = bytes;
    this.logBytes = logBytes;
    this.#template = undefined;
  }
}
