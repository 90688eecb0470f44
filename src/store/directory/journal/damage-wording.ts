/** What `health` and the log say of damage in the journal, and what an operator can do about it. Pure. */
import type { HealthProblem } from "../../../contract/replies.ts";
import type { PieceMeaning } from "../disk/state-quarantine.ts";
import type { Damage, JournalContents } from "./read-journal.ts";

const namedSessions = 10;
const namedRanges = 5;

/** @param place where the damaged bytes are kept */
export function damageMeaning(damage: Damage, place: string): PieceMeaning {
  const { segment, isTorn, missing } = damage;
  const where = `segment ${segment} of the journal`;
  const which = `${bytesIn(damage)} (${rangesIn(damage)})`;
  if (isTorn) {
    return {
      code: "journal_torn",
      message:
        `the last write to ${where} did not finish, as after a power cut: ` +
        `${which} were cut off and are kept in ${place}`,
      hint: "nothing is lost that was acknowledged, unless the disk lost what it had confirmed",
    };
  }
  const damaged = damage.ranges.length > 0 ? `${which} cannot be read` : "reports in it are damaged";
  const kept = `the whole segment is kept in ${place}`;
  if (missing === 0) {
    return {
      code: "journal_damaged",
      message: `${where} is damaged: ${damaged}, but no record of another session is missing; ${kept}`,
      hint: "check the disk",
    };
  }
  const many = missing === undefined ? "nobody can tell how many records" : records(missing);
  return {
    code: "journal_damaged",
    message:
      `${where} is damaged: ${damaged}, ${many} of it are lost, and ${sessionsIn(damage)}: ` +
      `files that were done may be pending again; ${kept}`,
    hint: "compare the processed files of the sessions of that time with their results, and check the disk",
  };
}

/** Of a journal that another program put in the place of the one that is written to. */
export const replacedMeaning: PieceMeaning = {
  code: "state_quarantined",
  message: "another program put a journal in the place of the one that sessiond wrote to",
  hint: "all that sessiond had acknowledged is in the session files, unless the log says otherwise",
};

/** Problems of which nothing is left to keep. */
export function lossProblems({ missingRecords, lost, isMarkMissing }: JournalContents): HealthProblem[] {
  const problems: string[] = [];
  if (lost?.isThere) {
    problems.push(`segment ${lost.name} of the journal was cut short by another program`);
  } else if (lost !== undefined) {
    problems.push(`segment ${lost.name} of the journal was taken away by another program`);
  }
  if (missingRecords > 0) problems.push(`${records(missingRecords)} of the journal are missing`);
  if (isMarkMissing) problems.push("the journal, or the file that tells where it begins, was taken away");
  return problems.map((problem) => ({
    code: "journal_damaged",
    message: `${problem}: reports of progress that were acknowledged may be lost`,
    hint:
      "compare the processed files of your sessions with their results, and the session files with a backup. " +
      "Put no older journal back: what it holds would be applied to newer files. The next start says this no more",
    session_id: null,
  }));
}

function bytesIn({ ranges }: Damage): string {
  const bytes = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
  return bytes === 1 ? "1 byte" : `${bytes} bytes`;
}

function rangesIn({ ranges }: Damage): string {
  const shown = ranges.slice(0, namedRanges).map(({ from, to }) => `${from} to ${to - 1}`);
  const more = ranges.length - shown.length;
  return `bytes ${shown.join(", ")}${more > 0 ? ` and ${more} more places` : ""}`;
}

function sessionsIn({ sessions }: Damage): string {
  if (sessions.length === 0) return "nobody can tell of which sessions";
  const shown = sessions.slice(0, namedSessions).map((id) => JSON.stringify(id));
  const more = sessions.length - shown.length;
  const named = `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
  return `nobody can tell of which sessions (what is left is of ${named})`;
}

function records(count: number): string {
  return count === 1 ? "1 record" : `${count} records`;
}
