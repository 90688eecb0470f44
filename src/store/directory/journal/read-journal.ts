/**
 * Reads the journal at the start: by session, the reports that its file may not hold, and what is damaged or
 * missing.
 */
import type { Journal, ReadSegment } from "./journal.ts";
import { type JournalRecord, kinds } from "./record.ts";

export interface SessionReports {
  /** Acknowledged reports that no base record covers, oldest first. */
  reports: JournalRecord[];
  /** Whether some of its reports are damaged or missing. */
  damaged: boolean;
}

export interface JournalContents {
  sessions: Map<string, SessionReports>;
  /** The names of segments with damage in them. */
  damagedSegments: string[];
  /** Bytes that cannot be read, and may have belonged to any session. */
  unknownBytes: number;
  /** Records that should be there and are not, and may have belonged to any session. */
  missingRecords: number;
}

interface Reading {
  contents: JournalContents;
  /** By session id, the last sequence that its file is known to hold. */
  bases: Map<string, number>;
  /**
   * The next sequence that should be there; undefined before the first, if it is not known where the journal
   * begins.
   */
  expected: number | undefined;
}

export async function readJournal(journal: Journal): Promise<JournalContents> {
  const reading: Reading = {
    contents: { sessions: new Map(), damagedSegments: [], unknownBytes: 0, missingRecords: 0 },
    bases: new Map(),
    expected: undefined,
  };
  const segments: ReadSegment[] = [];
  reading.expected = await journal.readSegments((segment) => segments.push(segment));
  for (const segment of segments) addSegment(reading, segment);
  const { contents, bases } = reading;
  for (const [id, session] of contents.sessions) {
    const base = bases.get(id) ?? 0;
    session.reports = session.reports.filter(({ sequence }) => sequence > base);
    if (isOneMissing(session.reports, base)) session.damaged = true;
    if (session.reports.length === 0 && !session.damaged) contents.sessions.delete(id);
  }
  return contents;
}

function addSegment(reading: Reading, segment: ReadSegment): void {
  const { contents, bases } = reading;
  const all: (JournalRecord | Omit<JournalRecord, "payload">)[] = [...segment.records, ...segment.damaged];
  all.sort((a, b) => a.sequence - b.sequence);
  for (const record of all) {
    contents.missingRecords += Math.max(0, record.sequence - (reading.expected ?? record.sequence));
    reading.expected = record.sequence + 1;
    if (record.kind === kinds.base) {
      bases.set(record.sessionId, Math.max(record.link, bases.get(record.sessionId) ?? 0));
      continue;
    }
    const known = contents.sessions.get(record.sessionId) ?? { reports: [], damaged: false };
    contents.sessions.set(record.sessionId, known);
    if ("payload" in record) known.reports.push(record);
    else known.damaged = true;
  }
  if (segment.damaged.length + segment.gaps.length > 0) contents.damagedSegments.push(segment.name);
  for (const { from, to } of segment.gaps) contents.unknownBytes += to - from;
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
