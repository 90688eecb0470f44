/**
 * Which segments the journal has, and which sessions still need each of them; removes those that nobody
 * needs. Does not know how records are written.
 */
import { join } from "node:path";
import { systemErrorCode } from "../../../error.ts";
import type { DurableFiles } from "../disk/durable-files.ts";
import type { FileSystem } from "../disk/file-system.ts";
import { makeDirectory } from "../disk/own-directories.ts";
import { replacedJournal, type StateQuarantine } from "../disk/state-quarantine.ts";
import { replacedMeaning } from "./damage-wording.ts";
import { JournalMark, type LastSegment } from "./journal-mark.ts";
import { type JournalRecord, kinds } from "./record.ts";

interface Segment {
  name: string;
  /** By session id, the newest report in this segment that no base record covers. */
  needed: Map<string, number>;
}

export interface SegmentsOptions {
  directory: string;
  fs: FileSystem;
  files: DurableFiles;
  quarantine: StateQuarantine;
  /** Whether the directory had no journal before: then it is no surprise that there is none. */
  isNew: boolean;
  /** Whether a file is claimed by a record before a sequence. */
  isClaimedBefore: (sequence: number) => boolean;
}

const markName = "pruned";

export class Segments {
  readonly #options: SegmentsOptions;
  /** Oldest first. */
  readonly #closed: Segment[] = [];
  /** The one that is being written. */
  #current: Segment | undefined;
  /** By session id, the newest report that no base record covers. */
  readonly #newest = new Map<string, number>();
  #mark: JournalMark | undefined;
  #pruning: Promise<void> = Promise.resolve();
  /** Whether somebody else took away the mark of an earlier run, and perhaps the whole journal. */
  isMarkMissing = false;

  constructor(options: SegmentsOptions) {
    this.#options = options;
  }

  /** The names of all segments, oldest first. Call it before anything else. */
  async list(): Promise<string[]> {
    const { directory, fs } = this.#options;
    const names = fs.readdirSync(directory).filter(isSegment).sort();
    this.#mark = await this.#openMark();
    // An empty journal begins here; of one that has segments and no mark, the beginning is not known.
    if (names.length === 0 && this.firstSequence === undefined) await this.#mark.write({ pruned: 1 });
    return names;
  }

  /** The sequence from which on every record should be there; undefined if that is not known. */
  get firstSequence(): number | undefined {
    return this.#mark?.pruned;
  }

  /** The segment that was begun last; undefined if that is not known. */
  get last(): LastSegment | undefined {
    return this.#mark?.last;
  }

  /** Whether everything before a sequence was pruned, also where removing it failed. */
  isPruned(sequence: number): boolean {
    const first = this.firstSequence;
    return first !== undefined && sequence <= first;
  }

  get closedCount(): number {
    return this.#closed.length;
  }

  /** Sessions whose reports keep the oldest closed segment from being removed. */
  sessionsInOldest(): string[] {
    return [...(this.#closed[0]?.needed.keys() ?? [])];
  }

  /** The first sequence after the oldest closed segment, if the next record has the sequence `next`. */
  endOfOldest(next: number): number {
    return this.#endOf(0, next);
  }

  isInOldest(sessionId: string): boolean {
    return this.#closed[0]?.needed.has(sessionId) ?? false;
  }

  /** The newest report of a session that a start would give back to it. */
  newestReport(sessionId: string): number | undefined {
    return this.#newest.get(sessionId);
  }

  /** A segment of an earlier run was read. */
  addClosed(name: string, records: readonly JournalRecord[]): void {
    const segment: Segment = { name, needed: new Map() };
    this.#closed.push(segment);
    this.#take(segment, records);
  }

  /** From now on records go to a new segment. Resolves when the mark says so, durably. */
  async begin(name: string): Promise<void> {
    await this.#mark?.write({ last: { first: sequenceOf(name), end: undefined } });
    this.closeCurrent();
    this.#current = { name, needed: new Map() };
  }

  /** No more is written to the last segment. Resolves when the mark says where it ends, durably. */
  async end(next: number): Promise<void> {
    const first = this.#current?.name ?? this.#closed.at(-1)?.name;
    await this.#mark?.write({ last: { first: first === undefined ? next : sequenceOf(first), end: next } });
  }

  closeCurrent(): void {
    if (this.#current !== undefined) this.#closed.push(this.#current);
    this.#current = undefined;
  }

  /** Whether nobody needs the segment that is being written. */
  get isCurrentFree(): boolean {
    return this.#current?.needed.size === 0 && !this.#options.isClaimedBefore(Number.POSITIVE_INFINITY);
  }

  /** Records are durable in the segment that is being written. */
  written(records: readonly JournalRecord[]): void {
    this.#take(this.#current as Segment, records);
  }

  /**
   * Removes the oldest segments that nobody needs, in order: a base record may be what explains an earlier
   * segment. `next` is the sequence of the next record that is written.
   */
  prune(next: () => number): Promise<void> {
    this.#pruning = this.#pruning.catch(() => {}).then(() => this.#prune(next()));
    return this.#pruning;
  }

  /** As `Journal.whyLost`, for what is not being written. */
  whyLost(): string | undefined {
    const { directory, fs } = this.#options;
    for (const [index, { name }] of this.#closed.entries()) {
      // One that nobody needs is being removed.
      if (!this.#isNeeded(index, Number.POSITIVE_INFINITY)) continue;
      const path = join(directory, name);
      try {
        if (fs.lstatSync(path) === undefined) return `${path} was taken away by another program`;
      } catch (error) {
        return `${path} cannot be looked at: ${(error as Error).message}`;
      }
    }
    return undefined;
  }

  /** As `Journal.settle`. */
  async settle(next: number): Promise<void> {
    const { directory, fs, files } = this.#options;
    const path = join(directory, markName);
    const settled = { pruned: next, last: { first: next, end: next } };
    if (this.#mark?.isAt(path)) return this.#mark.write(settled);
    this.#putStrangerAside();
    files.reopen(directory);
    const mark = await JournalMark.open(fs, path);
    try {
      await mark.write(settled);
    } finally {
      await mark.close();
    }
    await files.sync(directory);
  }

  /**
   * Somebody put another journal in the place of ours, such as an older copy. Its reports must not be given
   * to files that are newer.
   */
  #putStrangerAside(): void {
    const { directory, fs, quarantine } = this.#options;
    if (fs.readdirSync(directory).length === 0) return;
    quarantine.move(directory, replacedJournal, replacedMeaning);
    makeDirectory(fs, directory);
  }

  async close(): Promise<void> {
    await this.#mark?.close();
  }

  /** What is no mark is put aside, and a new one begun: it only tells whether something is missing. */
  async #openMark(): Promise<JournalMark> {
    const { directory, fs, quarantine, isNew } = this.#options;
    const path = join(directory, markName);
    const putAside = (why: string) =>
      quarantine.move(path, `journal-${markName}`, {
        code: "journal_damaged",
        message: `${path} ${why}, so nobody can tell whether segments of the journal are missing`,
        hint: "compare the processed files of your sessions with their results",
      });
    const stats = fs.lstatSync(path);
    if (stats !== undefined && !stats.isFile()) putAside("is not a regular file");
    const mark = await JournalMark.open(fs, path);
    if (mark.isDamaged) {
      await mark.close();
      putAside("does not say where the journal begins");
      return JournalMark.open(fs, path);
    }
    this.isMarkMissing = mark.isNew && !isNew && stats?.isFile() !== false;
    return mark;
  }

  #take(segment: Segment, records: readonly JournalRecord[]): void {
    for (const { kind, sessionId, sequence, link } of records) {
      if (kind === kinds.base) {
        this.#applyBase(sessionId, link);
        continue;
      }
      if (kind !== kinds.progress) continue;
      segment.needed.set(sessionId, sequence);
      this.#newest.set(sessionId, sequence);
    }
  }

  #applyBase(sessionId: string, upTo: number): void {
    if ((this.#newest.get(sessionId) ?? 0) <= upTo) this.#newest.delete(sessionId);
    for (const segment of [...this.#closed, this.#current]) {
      const newest = segment?.needed.get(sessionId);
      if (newest !== undefined && newest <= upTo) segment?.needed.delete(sessionId);
    }
  }

  /** Whether somebody needs a closed segment, or one before. */
  #isNeeded(index: number, next: number): boolean {
    return this.#closed[index]?.needed.size !== 0 || this.#options.isClaimedBefore(this.#endOf(index, next));
  }

  /** The first sequence after a closed segment. */
  #endOf(index: number, next: number): number {
    const following = this.#closed[index + 1] ?? this.#current;
    return following === undefined ? next : sequenceOf(following.name);
  }

  async #prune(next: number): Promise<void> {
    const { directory, fs, files } = this.#options;
    let count = 0;
    while (count < this.#closed.length && !this.#isNeeded(count, next)) count++;
    if (count === 0) return;
    const first = (this.#closed[count] ?? this.#current)?.name;
    await this.#mark?.write({ pruned: first === undefined ? next : sequenceOf(first) });
    for (; count > 0; count--) {
      await fs.unlink(join(directory, this.#closed[0]?.name as string)).catch(ignoreMissing);
      this.#closed.shift();
    }
    await files.sync(directory);
  }
}

/** The name of a segment whose first record has this sequence. */
export function segmentName(sequence: number): string {
  return `${String(sequence).padStart(16, "0")}.log`;
}

/** The first sequence that a segment may hold. */
export function sequenceOf(name: string): number {
  return Number(name.slice(0, 16));
}

function isSegment(name: string): boolean {
  return /^\d{16}\.log$/.test(name) && Number.isSafeInteger(sequenceOf(name));
}

function ignoreMissing(error: unknown): void {
  if (systemErrorCode(error) !== "ENOENT") throw error;
}
