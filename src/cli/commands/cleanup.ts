/** `sessionctl cleanup`: runs a policy, or shows its plan. */
import { type Command, Option } from "commander";
import type { CleanupResult, Decision, JobName } from "../../contract/replies.ts";
import type { RunCleanupBody } from "../../contract/routes.ts";
import { shownWord } from "../../text/shell-quote.ts";
import { formatSize } from "../../text/size.ts";
import { durationText, planId, wholeNumber } from "../arguments.ts";
import { confirm } from "../confirm.ts";
import type { Context, Registration, Runner } from "../context.ts";
import { counted } from "../count.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { ago } from "../time.ts";
import { registerHistory, registerSchedules } from "./cleanup-reports.ts";

interface Options {
  dryRun?: boolean;
  keepRecent?: number;
  maxAge?: string;
  approve?: string;
  all?: boolean;
  yes?: boolean;
}

export const registerCleanup: Registration = (program, run) => {
  const cleanup = program
    .command("cleanup")
    .description("remove sessions by policy, or show what policies do and did")
    .addHelpText("after", "\nExample:\n  sessionctl cleanup completed --keep-recent 20 --dry-run");
  policy(cleanup, run, "completed", "remove completed sessions except the most recent").addOption(
    new Option("--keep-recent <count>", "how many to keep (default: as configured)").argParser(
      wholeNumber(0),
    ),
  );
  policy(cleanup, run, "expired", "remove sessions without recent activity").addOption(maxAgeOption());
  policy(cleanup, run, "failed", "remove failed sessions").addOption(maxAgeOption());
  job(cleanup, run, "trash", "delete for good what has been in the trash for its retention").description(
    "Delete for good what has been in the trash for trash.retention, as the schedule does.",
  );
  registerSchedules(cleanup, run);
  registerHistory(cleanup, run);
};

function maxAgeOption(): Option {
  return new Option(
    "--max-age <duration>",
    "without activity for this long, such as 30d (default: as configured)",
  ).argParser(durationText);
}

function policy(cleanup: Command, run: Runner, name: JobName, summary: string): Command {
  return job(cleanup, run, name, summary).description(
    `Move sessions to the trash: ${summary}. Pinned sessions are kept.`,
  );
}

function job(cleanup: Command, run: Runner, name: JobName, summary: string): Command {
  const what = name === "trash" ? "entry" : "session";
  return cleanup
    .command(name)
    .summary(summary)
    .option("-n, --dry-run", "show what would be removed, and remove nothing")
    .option("--approve <plan>", "carry out the plan with this id, exactly as it was shown", planId)
    .option("-a, --all", `list every ${what} with its reason, including those kept`)
    .option("-y, --yes", "do not ask for confirmation")
    .addHelpText("after", `\nExample:\n  sessionctl cleanup ${name} --dry-run`)
    .action(run((context, options: Options) => clean(context, name, options)));
}

async function clean(context: Context, name: JobName, options: Options): Promise<ExitCode> {
  const { client, out, process } = context;
  const { dryRun = false, approve, all = false, yes = false } = options;
  const rule: RunCleanupBody = { keep_recent: options.keepRecent, max_age: options.maxAge };
  if (dryRun) return print(context, await client.runCleanup(name, { ...rule, dry_run: true }), options);
  // An approved plan needs no question: its id stands for exactly what is removed.
  if (yes || approve !== undefined)
    return print(context, await client.runCleanup(name, { ...rule, approve }), options);
  const question =
    name === "trash"
      ? "Delete old sessions in the trash?"
      : `Remove the sessions that cleanup ${name} selects?`;
  if (!process.stdin.isTTY) await confirm(process, question, { yes: false });
  const planned = await client.runCleanup(name, { ...rule, dry_run: true });
  if (planned.removed === 0) return print(context, planned, options);
  if (!out.json && !out.quiet) printSessions(context, planned, { all });
  for (const warning of planned.warnings) out.complain(safe(warning));
  await confirm(process, `${sentence(planned)} Continue?`, { yes: false });
  return print(context, await client.runCleanup(name, { ...rule, approve: planned.plan_id }), options);
}

function print(context: Context, result: CleanupResult, options: Options): ExitCode {
  const { out } = context;
  const { all = false } = options;
  if (out.json) out.document(result);
  else if (out.quiet) for (const { session_id } of removals(result)) out.value(session_id);
  else printSessions(context, result, { all });
  out.say(sentence(result));
  if ((result.dry_run && result.removed > 0) || result.outcome === "waiting_approval") {
    out.say(`to carry out this plan: ${approval(result, options)}`);
  }
  for (const warning of result.warnings) out.complain(safe(warning));
  for (const { session_id, message } of result.failures) out.complain(safe(`${session_id}: ${message}`));
  const unfinished = result.outcome === "stopped" || result.outcome === "waiting_approval";
  return result.failures.length > 0 || unfinished ? exitCodes.failed : exitCodes.ok;
}

/** The plan is that of the rule of this command line, which need not be the configured one. */
function approval({ policy, plan_id }: CleanupResult, { keepRecent, maxAge }: Options): string {
  const rule = [
    ...(keepRecent === undefined ? [] : [`--keep-recent ${keepRecent} `]),
    ...(maxAge === undefined ? [] : [`--max-age ${shownWord(maxAge)} `]),
  ].join("");
  return `sessionctl cleanup ${policy} ${rule}--approve ${plan_id}`;
}

/** Prints the removed sessions, or with `all` every session. For a plan also says why the others are kept. */
function printSessions({ out, nowMs }: Context, result: CleanupResult, { all }: { all: boolean }): void {
  if (result.dry_run && result.kept > 0 && !all) out.say(`kept: ${keptByReason(result)}`);
  const rows = all ? result.decisions : removals(result);
  if (rows.length === 0) return;
  const isTrash = result.policy === "trash";
  const removal = isTrash
    ? result.dry_run
      ? "would delete"
      : "deleted"
    : result.dry_run
      ? "would remove"
      : "removed";
  out.table<Decision>(
    [
      { title: all ? "ID" : removal.toUpperCase(), cell: (row) => row.session_id },
      {
        title: all ? "ACTION" : "",
        cell: ({ action }) => (all ? (action === "remove" ? removal : "kept") : ""),
      },
      { title: "STATUS", cell: (row) => row.status ?? "" },
      isTrash
        ? { title: "IN TRASH SINCE", cell: (row) => ago(row.removed_time ?? "", nowMs) }
        : { title: "ACTIVITY", cell: (row) => ago(row.checkpoint_time ?? "", nowMs) },
      { title: "SIZE", cell: (row) => formatSize(row.bytes), align: "right" },
      { title: "REASON", cell: (row) => row.reason },
    ],
    rows,
  );
}

/**
 * `4 among_most_recent, 1 pinned`, the most frequent first, and last how many have no decision of their own.
 */
function keptByReason({ decisions, total }: CleanupResult): string {
  const counts = new Map<string, number>();
  for (const { action, reason } of decisions) {
    if (action === "keep") counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const reasons = [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} ${safe(reason)}`);
  const others = total - decisions.length;
  return [...reasons, ...(others > 0 ? [`${others} to which the policy does not apply`] : [])].join(", ");
}

function removals(result: CleanupResult): Decision[] {
  return result.decisions.filter((decision) => decision.action === "remove");
}

function sentence({ rule, dry_run, removed, total, kept, bytes }: CleanupResult): string {
  const verb = dry_run ? "would remove" : "removed";
  return `${safe(rule)}: ${verb} ${removed} of ${counted(total, "session")} (${formatSize(bytes)}), ${kept} kept.`;
}
