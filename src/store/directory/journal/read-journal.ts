/** What the journal holds that the session files may not: read at the start, given back per session. Pure but for reading. */
import type { Journal, ReadSegment } from "./journal.ts";
import { type JournalRecord, kinds } from "./record.ts";

export interface SessionReports {
  /** Reports that were acknowledged and that no base record covers, oldest first. */
  reports: JournalRecord[];
  /** Some of its reports are damaged or missing. */
  damaged: boolean;
}

export interface JournalContents {
  sessions: Map<string, SessionReports>;
  /** Segments with damage in them. */
  damagedSegments: string[];
  /** Bytes of which nobody knows whose they were. */
  unknownBytes: number;
  /** Records that should be there and are not, of which nobody knows whose they were. */
  missingRecords: number;
}

interface Reading {
  contents: JournalContents;
  /** By session id, the last sequence that its file is known to hold. */
  bases: Map<string, number>;
  /** The sequence that is due next; undefined before the first, if it is not known where the journal should begin. */
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

/** Each report names the one before it, so that a missing one is noticed whoever's the damaged bytes were. */
function isOneMissing(reports: readonly JournalRecord[], base: number): boolean {
  return reports.some((report, index) => {
    const before = reports[index - 1]?.sequence ?? base;
    return report.link > before;
  });
}
