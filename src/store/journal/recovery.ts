/** What the journal holds that the JSON files may not: read at the start, given back per session. Pure but for reading. */
import type { Journal, ReplayedSegment } from "./journal.ts";
import { type JournalRecord, kinds } from "./record.ts";

export interface SessionReports {
  generation: string;
  /** Reports that were acknowledged after the JSON file was last known to be complete, oldest first. */
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
}

export async function readJournal(journal: Journal): Promise<JournalContents> {
  const contents: JournalContents = { sessions: new Map(), damagedSegments: [], unknownBytes: 0 };
  await journal.replay((segment) => addSegment(contents, segment));
  for (const session of contents.sessions.values()) {
    if (hasGap(session.reports)) session.damaged = true;
  }
  return contents;
}

function addSegment(contents: JournalContents, segment: ReplayedSegment): void {
  const { sessions } = contents;
  for (const record of [...segment.records].sort((a, b) => a.sequence - b.sequence)) {
    const known = sessions.get(record.sessionId);
    if (record.kind === kinds.base) {
      if (known !== undefined)
        known.reports = known.reports.filter(({ revision }) => revision > record.revision);
    } else if (known === undefined || known.generation !== record.generation) {
      sessions.set(record.sessionId, { generation: record.generation, reports: [record], damaged: false });
    } else {
      known.reports.push(record);
    }
  }
  for (const { sessionId, generation } of segment.damaged) {
    const known = sessions.get(sessionId);
    if (known === undefined) sessions.set(sessionId, { generation, reports: [], damaged: true });
    else known.damaged = true;
  }
  if (segment.damaged.length + segment.gaps.length > 0) contents.damagedSegments.push(segment.name);
  for (const { from, to } of segment.gaps) contents.unknownBytes += to - from;
}

/** Reports of one stay in memory are counted; a count that jumps, and does not begin anew, tells of a missing one. */
function hasGap(reports: readonly JournalRecord[]): boolean {
  return reports.some((report, index) => {
    const before = reports[index - 1];
    return before !== undefined && report.ordinal !== before.ordinal + 1 && report.ordinal !== 1;
  });
}
