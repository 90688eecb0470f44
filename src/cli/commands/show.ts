/** `sessionctl show` */
import type { FilePage, ResultPage, SessionSummaryAndHealth } from "../../contract/replies.ts";
import { optionWords, readRun } from "../../runner/remembered.ts";
import { shellOperand, shownWord } from "../../text/shell-quote.ts";
import { formatSize } from "../../text/size.ts";
import { type Context, forEachSession, type Registration } from "../context.ts";
import { counted } from "../count.ts";
import { failureLines, failuresAmong, namedFailures, resultsCommand } from "../failures.ts";
import { statusStyle } from "../output.ts";
import { shownCommand } from "../run/memory.ts";
import { sessionCommand } from "../session-command.ts";
import { facts } from "../table.ts";
import { safe, truncate } from "../terminal-text.ts";
import { ago } from "../time.ts";
import { workerFacts } from "../workers.ts";
import { labelText } from "./list.ts";

const nextFiles = 5;
const noFiles: FilePage = { files: [], next_cursor: null, total: 0 };
const noResults: ResultPage = { results: {}, next_cursor: null, total: 0 };
const barWidth = 20;
/** Of the names of the facts, with the gap after them. */
const nameWidth = 15;

export const registerShow: Registration = (program, run) => {
  program
    .command("show")
    .summary("show a session")
    .description("Show sessions: an overview of each, or with --json the whole documents.")
    .argument("<id...>", "session ids")
    .addHelpText(
      "after",
      "\nExample:\n  sessionctl show nightly\n  sessionctl show nightly --json | jq .config",
    )
    .action(
      run((context, ids: string[]) => {
        const { client, out } = context;
        let pages = 0;
        return forEachSession(context, ids, async (id) => {
          if (out.json) return client.getSession(id);
          const summary = await client.getSummary(id);
          if (out.quiet) return summary;
          // Each page costs the daemon a read of the whole session.
          const next =
            summary.pending_count === 0 ? noFiles : await client.listFiles(id, { limit: nextFiles });
          const failed =
            summary.processed_count === 0
              ? noResults
              : await client.listResults(id, { failed: true, limit: namedFailures });
          if (pages++ > 0) out.data("");
          for (const line of page(context, summary, next)) out.data(line);
          for (const line of [...unattendedPart(summary), ...failedPart(id, failed)])
            out.data(out.pasteable(line));
          return summary;
        });
      }),
    );
};

function page({ out, nowMs }: Context, summary: SessionSummaryAndHealth, next: FilePage): string[] {
  const when = (time: string | null) => (time === null ? undefined : `${safe(time)} (${ago(time, nowMs)})`);
  const status = out.paint(statusStyle[summary.status], summary.status);
  const first = next.files.map(safe).join("  ");
  const files = next.total > next.files.length ? `${first}  …` : first;
  const workers = workerFacts(summary.workers, summary.status === "paused", nowMs);
  return [
    ...facts([
      ["ID", safe(summary.session_id)],
      ["Status", summary.status_reason === null ? status : `${status}: ${safe(summary.status_reason)}`],
      ["Target", safe(summary.target_path)],
      ["Files", progressText(summary)],
      ["Next", files === "" ? undefined : truncate(files, out.width - nameWidth)],
      workers.line ?? ["Worker", undefined],
      ["Last activity", when(summary.checkpoint_time)],
      ["Created", when(summary.created_time)],
      ["Labels", labelText(summary.labels) === "" ? undefined : safe(labelText(summary.labels))],
      ...runFacts(summary.run),
      ["Pinned", summary.pinned ? "yes, protected from cleanup" : undefined],
      ["Revision", String(summary.revision)],
      ["Size", formatSize(summary.bytes)],
      ["Health", summary.healthy ? "ok" : out.paint("red", "needs attention")],
    ]),
    ...workers.each,
    ...summary.findings.map(({ message, repairable }) => {
      const advice = repairable
        ? `; to repair it: sessionctl recover ${shellOperand(summary.session_id)}`
        : "";
      return `  ${safe(message)}${out.pasteable(advice)}`;
    }),
  ];
}

/** What a run goes on with. */
function runFacts(run: SessionSummaryAndHealth["run"] | undefined): [string, string | undefined][] {
  const { template, directory, options } = readRun(run ?? undefined);
  const words = optionWords(options).map(shownWord).join(" ");
  return [
    ["Command", template === undefined ? undefined : safe(shownCommand(template))],
    ["Directory", directory === undefined ? undefined : safe(directory)],
    ["Options", words === "" ? undefined : words],
  ];
}

/** For a run that has ended with files left. */
function unattendedPart(summary: SessionSummaryAndHealth): string[] {
  const { session_id, status, workers, pending_count, run } = summary;
  const isOpen = status === "running" || status === "paused";
  if (!isOpen || workers.length > 0 || pending_count === 0) return [];
  if (readRun(run ?? undefined).template === undefined) return [];
  return [`nobody works on it now; to go on: ${sessionCommand("run", session_id)}`];
}

function failedPart(id: string, { results, total }: ResultPage): string[] {
  if (total === 0) return [];
  const lines = failureLines(id, failuresAmong(Object.keys(results), results), total);
  return [`${counted(total, "file")} failed; for the results: ${resultsCommand(id)}`, ...lines];
}

/** `3 of 10 done  [██████··············] 30 %` */
export function progressText({
  progress,
  processed_count,
  pending_count,
}: Pick<SessionSummaryAndHealth, "progress" | "processed_count" | "pending_count">): string {
  if (progress === null) return "none yet";
  const filled = Math.floor(progress * barWidth);
  const bar = "█".repeat(filled) + "·".repeat(barWidth - filled);
  return `${processed_count} of ${processed_count + pending_count} done  [${bar}] ${Math.floor(progress * 100)} %`;
}
