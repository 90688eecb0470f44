/** What a run says at its end, and its exit code. */
import type { RunEnd, RunSummary, Stop } from "../../runner/runner-options.ts";
import type { Opening } from "../../runner/session-run.ts";
import type { Spending } from "../../runner/spending.ts";
import { counted } from "../count.ts";
import { CommandError, type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { type Failure, failureLines, namedFailures, resultsCommand } from "../failures.ts";
import type { Output } from "../output.ts";
import { sessionCommand } from "../session-command.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";
import { budgetLines, largerBudgets } from "./budget-lines.ts";
import type { KeepOption } from "./changed.ts";
import type { LeftToLookAt } from "./left-to-look-at.ts";
import type { RunOptions } from "./options.ts";
import { othersText } from "./share.ts";

export interface Ending extends RunEnd {
  readonly id: string;
  /** The first failed files: those of this run, then earlier ones. */
  readonly failures: readonly Failure[];
  readonly unseen: LeftToLookAt | undefined;
  readonly spending: Spending | undefined;
  /** The option that kept the results of changed files, which the next run needs again. */
  readonly keptBy: KeepOption | undefined;
}

/**
 * For a session without a file to run: the exit code if the session needs no change either, undefined if it
 * does.
 */
export function nothingToDo(
  out: Output,
  { session, selection }: Opening,
  failures: readonly Failure[],
): ExitCode | undefined {
  if (session === undefined) throw new CommandError("no files to run for; nothing was done");
  if (session.status !== "completed" && session.status !== "failed") return undefined;
  const id = safe(session.session_id);
  const failedBefore = selection.failedBefore.length;
  if (session.status === "completed" && failedBefore === 0) {
    out.say(`${id} is already completed; nothing to do`);
    return exitCodes.ok;
  }
  const counts = failedBefore === 0 ? "" : `: ${counted(failedBefore, "file")} failed`;
  out.say(`${id} ${isNow(session.status, "already")}; nothing to do${counts}`);
  for (const line of failureLines(session.session_id, failures, failedBefore)) out.say(line);
  if (failedBefore > 0) tellOfRetry(out, session.session_id);
  return exitCodes.failed;
}

/** Counts are of the whole session, as in the display of progress. */
export function tellEnd(out: Output, ending: Ending): void {
  const { id, summary } = ending;
  const { stop, done, failed, doneEarlier, failedEarlier, pending, share } = summary;
  const failures = failedEarlier + failed;
  const counts = [
    `${counted(doneEarlier + done, "file")} done${partsOf(doneEarlier, share?.done)}`,
    ...(failures > 0 ? [`${failures} failed${partsOf(failedEarlier, share?.failed)}`] : []),
    ...(pending > 0 ? [`${pending} left`] : []),
  ].join(", ");
  const became = becameOf(ending);
  const why = stop === undefined ? "" : ` (${safe(stop.reason)})`;
  if (stop?.cause === "error") out.complain(safe(stop.reason));
  out.say(`${safe(id)}${became}: ${counts}${stop?.cause === "error" ? "" : why}`);
  if (stop?.cause === "deleted") return;
  for (const line of failureLines(id, ending.failures.slice(0, namedFailures), failures)) out.say(line);
  if (stop?.cause === "completed") return;
  if (ending.unseen !== undefined) {
    out.complain(safe(ending.unseen.reason));
    out.say(ending.unseen.remedy);
  }
  for (const line of budgetLines(ending.spending)) out.say(safe(line));
  if (stop !== undefined) out.say(toContinue(stop, ending));
  else if (failures > 0) {
    out.say(`for the results: ${resultsCommand(id)}`);
    tellOfRetry(out, id);
  }
}

function tellOfRetry(out: Output, id: string): void {
  out.say(`to run the failed files again: ${sessionCommand("run", id, ["--retry-failed"])}`);
}

function toContinue({ cause }: Stop, { id, spending, keptBy, summary, others }: Ending): string {
  if (summary.share !== undefined) {
    return `to ${others > 0 ? "join them again" : "continue"}: ${sessionCommand("run", id, ["--share"])}`;
  }
  const budgets = cause === "budget" ? largerBudgets(spending) : [];
  const options = [...budgets, ...(keptBy === undefined ? [] : [keptBy])];
  const how = cause === "budget" ? ", with larger budgets" : "";
  return `to continue${how}: ${sessionCommand("run", id, options)}`;
}

/** ` (3 of them earlier, 4 by this run)`; the second part only of a session that is shared. */
function partsOf(earlier: number, own: number | undefined): string {
  const parts = [...(earlier > 0 ? [`${earlier} of them earlier`] : []), ...ownPart(own)];
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function ownPart(own: number | undefined): string[] {
  return own === undefined ? [] : [`${own} by this run`];
}

/** What has become of the session, as the end of a phrase that begins with its id. */
function becameOf({ status, others, summary }: RunEnd): string {
  if (status === "running" && others > 0) return ` goes on with ${othersText(others)}`;
  if (summary.isHeld && (status === undefined || summary.share !== undefined)) return " stays paused";
  return status === undefined || status === "running" ? "" : ` ${isNow(status)}`;
}

export function exitCodeFor(summary: RunSummary, { halt }: RunOptions): ExitCode {
  const { stop, failed, failedEarlier } = summary;
  const byFailures = failed + failedEarlier > 0 ? exitCodes.failed : exitCodes.ok;
  if (stop === undefined) return byFailures;
  switch (stop.cause) {
    case "interrupted":
      return exitCodes.interrupted;
    case "halted":
      if (halt?.on === "success") return exitCodes.ok;
      return halt?.on === "done" ? byFailures : exitCodes.failed;
    case "deleted":
      return exitCodes.noSuchSession;
    case "error":
      return exitCodeOf(stop.error);
    default:
      return exitCodes.failed;
  }
}
