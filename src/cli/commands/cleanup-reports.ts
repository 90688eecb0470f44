/** `sessionctl cleanup status` and `sessionctl cleanup history` */
import type { Command } from "commander";
import type { HistoryEntry, HistoryPage, ScheduleEntry } from "../../contract/replies.ts";
import { formatSize } from "../../text/size.ts";
import { wholeNumber } from "../arguments.ts";
import type { Runner } from "../context.ts";
import { safe } from "../terminal-text.ts";
import { ago, until } from "../time.ts";

export function registerSchedules(cleanup: Command, run: Runner): void {
  cleanup
    .command("status")
    .description("show the cleanup jobs, their last and next runs, and plans waiting for approval")
    .addHelpText("after", "\nExample:\n  sessionctl cleanup status")
    .action(
      run(async ({ client, out, nowMs }) => {
        const schedules = await client.getCleanup();
        if (out.json) out.document(schedules);
        else if (out.quiet) for (const { job } of schedules.jobs) out.value(job);
        else {
          out.table<ScheduleEntry>(
            [
              { title: "JOB", cell: ({ job }) => job },
              { title: "SCHEDULE", cell: (entry) => `${entry.schedule} ${entry.timezone}` },
              {
                title: "NEXT RUN",
                cell: ({ enabled, next_run }) =>
                  enabled ? (next_run === null ? "never" : until(next_run, nowMs)) : "off",
              },
              { title: "LAST RUN", cell: ({ last_run }) => lastRun(last_run, nowMs) },
              { title: "RULE", cell: ({ rule }) => rule, shrink: "end" },
            ],
            schedules.jobs,
          );
        }
        for (const { job, waiting } of schedules.jobs) {
          if (waiting === null) continue;
          out.complain(
            `cleanup ${job} waits for approval (planned ${ago(waiting.since, nowMs)}): ${safe(waiting.why)}; ` +
              `to review the plan: sessionctl cleanup ${job} --dry-run; ` +
              `to approve it: sessionctl cleanup ${job} --approve ${safe(waiting.plan_id)} --yes`,
          );
        }
        return undefined;
      }),
    );
}

function lastRun(run: ScheduleEntry["last_run"], nowMs: number): string {
  return run === null ? "never" : `${ago(run.time, nowMs)}: ${run.outcome}, removed ${run.removed}`;
}

interface HistoryOptions {
  session?: string;
  limit: number;
  cursor?: string;
}

export function registerHistory(cleanup: Command, run: Runner): void {
  cleanup
    .command("history")
    .description("show what cleanup removed, newest first")
    .option("--session <id>", "only removals of this session")
    .option("--limit <count>", "at most this many, up to 1000", wholeNumber(1), 100)
    .option("--cursor <cursor>", "continue where an earlier page ended")
    .addHelpText("after", "\nExample:\n  sessionctl cleanup history --session nightly")
    .action(
      run(async ({ client, out, nowMs }, { session, limit, cursor }: HistoryOptions) => {
        const page: HistoryPage = await client.getCleanupHistory({ session_id: session, limit, cursor });
        if (out.json) out.document(page);
        else if (out.quiet) for (const { session_id } of page.entries) out.value(session_id);
        else if (page.entries.length === 0) out.say("cleanup has not removed anything yet");
        else {
          out.table<HistoryEntry>(
            [
              { title: "REMOVED", cell: ({ time }) => ago(time, nowMs) },
              { title: "ID", cell: ({ session_id }) => session_id },
              { title: "STATUS", cell: ({ status }) => status ?? "" },
              { title: "JOB", cell: ({ job }) => job },
              { title: "REASON", cell: ({ reason }) => reason },
              { title: "SIZE", cell: ({ bytes }) => formatSize(bytes), align: "right" },
              { title: "TRASH ID", cell: ({ trash_id }) => trash_id ?? "" },
            ],
            page.entries,
          );
        }
        if (page.next_cursor !== null) out.say(`for more, add --cursor ${page.next_cursor}`);
        return undefined;
      }),
    );
}
