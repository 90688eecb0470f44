/**
 * Reads the journal at the start: by session, the reports that its file may not hold and the files that are
 * claimed; what is damaged or missing.
 */
import type { Range } from "./frame.ts";
import type { Journal } from "./journal.ts";
import { claimsFrom, type JournalClaim } from "./journal-claims.ts";
import type { Extent, ReadSegment } from "./read-segments.ts";
import { type JournalRecord, kinds } from "./record.ts";

export interface SessionReports {
  /** Acknowledged reports that no base record covers, oldest first. */
  reports: JournalRecord[];
  /** Whether some of its reports or claims are damaged or missing. */
  damaged: boolean;
}

/** A segment that does not hold what was written to it, or whose last write was interrupted. */
export interface Damage {
  segment: string;
  /** Bytes that cannot be read. */
  ranges: Range[];
  /** Whether this is only a write that was interrupted: nobody was promised what it held. */
  isTorn: boolean;
  /** Records of it that are missing; undefined if nobody can count them. */
  missing: number | undefined;
  /** Sessions of which it holds other records. */
  sessions: string[];
  /** Name of what is kept of it in quarantine. */
  kept: string;
}

export interface JournalContents {
  sessions: Map<string, SessionReports>;
  /** By session id and file, the claims that no later record ended. */
  claims: Map<string, Map<string, JournalClaim>>;
  damage: Damage[];
  /** Records that should be there, and are in no segment. */
  missingRecords: number;
  lost: Extent["lost"];
  isMarkMissing: boolean;
}

type Head = JournalRecord | Omit<JournalRecord, "payload">;

export async function readJournal(journal: Journal): Promise<JournalContents> {
  const { segments, extent } = await journal.read();
  const { first, end, lost, isMarkMissing } = extent;
  const contents: JournalContents = {
    sessions: new Map(),
    claims: new Map(),
    damage: [],
    missingRecords: 0,
    lost,
    isMarkMissing,
  };
  /** By session id, the last sequence that its file is known to hold. */
  const bases = new Map<string, number>();
  /** By session id, what was claimed and given back. */
  const claims = new Map<string, JournalRecord[]>();
  contents.missingRecords = Math.max(0, (segments[0]?.first ?? end ?? 0) - (first ?? Number.MAX_VALUE));
  let read = 0;
  for (const [index, segment] of segments.entries()) {
    const records = inOrder(segment, read);
    for (const record of records) addRecord(record, contents.sessions, { bases, claims });
    const following = segments[index + 1]?.first ?? end;
    read = Math.max(read, segment.nextSequence, following ?? 0);
    // Sequences have no gaps, so what is not there is missing.
    const missing = Math.max(0, (following ?? segment.nextSequence) - segment.first - records.length);
    const damage = damageOf(segment, records, following === undefined ? undefined : missing, missing);
    if (damage === undefined) contents.missingRecords += missing;
    else contents.damage.push(damage);
  }
  for (const [id, records] of claims)
    contents.claims.set(id, claimsFrom([...records, ...(contents.sessions.get(id)?.reports ?? [])]));
  for (const [id, session] of contents.sessions) {
    const base = bases.get(id) ?? 0;
    session.reports = session.reports.filter(({ sequence }) => sequence > base);
    if (isOneMissing(session.reports, base)) session.damaged = true;
    if (session.reports.length === 0 && !session.damaged) contents.sessions.delete(id);
  }
  return contents;
}

/** The records of a segment by their sequence, each once; none that an earlier segment should have had. */
function inOrder({ first, records, damaged }: ReadSegment, read: number): Head[] {
  const bySequence = new Map<number, Head>();
  for (const record of [...damaged, ...records])
    if (record.sequence >= Math.max(first, read)) bySequence.set(record.sequence, record);
  return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
}

interface Others {
  bases: Map<string, number>;
  claims: Map<string, JournalRecord[]>;
}

function addRecord(record: Head, sessions: JournalContents["sessions"], { bases, claims }: Others): void {
  const { sessionId, kind, link } = record;
  if (kind === kinds.base) {
    bases.set(sessionId, Math.max(link, bases.get(sessionId) ?? 0));
    return;
  }
  if (kind !== kinds.progress && "payload" in record) {
    const known = claims.get(sessionId);
    if (known === undefined) claims.set(sessionId, [record]);
    else known.push(record);
    return;
  }
  const known = sessions.get(sessionId) ?? { reports: [], damaged: false };
  sessions.set(sessionId, known);
  if ("payload" in record) known.reports.push(record);
  else known.damaged = true;
}

function damageOf(
  { name, tail, gaps, damaged, kept }: ReadSegment,
  records: readonly Head[],
  missing: number | undefined,
  missingBetween: number,
): Damage | undefined {
  if (kept === undefined) return undefined;
  const isTorn = tail?.isTorn === true && gaps.length + damaged.length === 0;
  const ranges = tail?.isTorn ? [...gaps, tail] : gaps;
  return {
    segment: name,
    ranges: ranges.map(({ from, to }) => ({ from, to })),
    isTorn,
    // Nobody knows how many records there were after the last one that is there.
    missing: tail?.isTorn === false ? missing : missingBetween,
    sessions: [...new Set(records.map(({ sessionId }) => sessionId))],
    kept,
  };
}

/**
 * Each report names the one before it, so that a missing report is noticed, whichever session the damaged
 * bytes belonged to.
 */
function isOneMissing(reports: readonly JournalRecord[], base: number): boolean {
  return reports.some((report, index) => {
    const before = reports[index - 1]?.sequence ?? base;
    return report.link > before;
  });
}
