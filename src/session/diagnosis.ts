/** Finds what is wrong inside a readable session, and repairs it. Pure. */
import { areBlank } from "./additions.ts";
import { runProblems } from "./run-memory.ts";
import type { Session } from "./session.ts";

export type FindingCode =
  | "duplicate_file"
  | "processed_and_pending"
  | "unfinished"
  | "no_file_patterns"
  | "odd_target_path"
  | "odd_run";

export interface Finding {
  /** A `FindingCode`, or a code of the backend that keeps the session. */
  code: FindingCode | (string & {});
  message: string;
  /** Whether `recover` repairs it. */
  repairable: boolean;
}

/** Returns everything that is wrong with a session; empty if nothing is. */
export function diagnose(session: Session): Finding[] {
  const findings: Finding[] = [];
  for (const list of ["processed_files", "pending_files"] as const) {
    const repeated = session[list].length - new Set(session[list]).size;
    if (repeated > 0)
      findings.push({
        code: "duplicate_file",
        message: `${list} lists ${repeated} file(s) more than once`,
        repairable: true,
      });
  }
  const processed = new Set(session.processed_files);
  const both = new Set(session.pending_files.filter((file) => processed.has(file))).size;
  if (both > 0) {
    findings.push({
      code: "processed_and_pending",
      message: `${both} file(s) are both processed and pending`,
      repairable: true,
    });
  }
  if (session.status === "completed" && session.pending_files.length > 0) {
    findings.push({
      code: "unfinished",
      message: `completed, but ${session.pending_files.length} file(s) are pending; reopen it to process them`,
      repairable: false,
    });
  }
  return [...findings, ...diagnoseConfig(session.config), ...diagnoseRun(session.run)];
}

/** Older programs refuse a target with these. */
const oddInTarget = /[<>|\p{Cc}]/u;

function diagnoseConfig({ target_path, file_patterns }: Session["config"]): Finding[] {
  const findings: Finding[] = [];
  if (file_patterns !== undefined && areBlank(file_patterns)) {
    findings.push({
      code: "no_file_patterns",
      message: "config.file_patterns has no pattern that is not blank, so that it matches no file",
      repairable: false,
    });
  }
  if (oddInTarget.test(target_path)) {
    findings.push({
      code: "odd_target_path",
      message: "config.target_path contains <, >, | or a control character, which other programs may refuse",
      repairable: false,
    });
  }
  return findings;
}

function diagnoseRun(run: Session["run"]): Finding[] {
  if (run === undefined) return [];
  return runProblems(run).map(({ path, message }) => ({
    code: "odd_run",
    message: `${path} ${message}`,
    repairable: false,
  }));
}

/**
 * Returns the session without repairable findings: each file is listed once, and processed wins over pending.
 */
export function repair(session: Session): Session {
  const processed = new Set(session.processed_files);
  const pending = new Set(session.pending_files.filter((file) => !processed.has(file)));
  if (processed.size === session.processed_files.length && pending.size === session.pending_files.length)
    return session;
  return { ...session, processed_files: [...processed], pending_files: [...pending] };
}
