/** `sessionctl progress` */
import type { ProgressReply } from "../../contract/replies.ts";
import type { SessionSummary } from "../../session/session.ts";
import { fileNames, separatorOf } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import type { Output } from "../output.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  processed?: string[];
  processedFrom?: string;
  added?: string[];
  addedFrom?: string;
  null?: boolean;
  results?: string;
}

export const registerProgress: Registration = (program, run) => {
  program
    .command("progress")
    .summary("report processed files, results, and more files to process")
    .description(
      "Report progress of a session: processed files, results, and more files to process. The same report twice " +
        "does no harm. A paused session takes reports too; the output, or the status in --json, says that it is paused.",
    )
    .argument("<id>", "session id")
    .argument("[file...]", "processed files, as with --processed", fileNames)
    .option("--processed <file...>", "processed files", fileNames)
    .option("--processed-from <file>", "processed files, one per line; - for standard input")
    .option("--added <file...>", "more files to process", fileNames)
    .option("--added-from <file>", "more files to process, one per line; - for standard input")
    .option("-0, --null", "the names are separated by zero bytes, as find -print0 prints them")
    .option("--results <json>", "results by key: a JSON object, @file, or - for standard input")
    .addHelpText(
      "after",
      `\nExample:\n  sessionctl progress nightly --processed src/a.ts --results '{"src/a.ts": {"issues": 3}}'`,
    )
    .action(
      run(async ({ client, out, input }, id: string, files: string[] | undefined, options: Options) => {
        const list = async (path: string | undefined) =>
          path === undefined ? [] : input.list(path, separatorOf(options));
        const processed = [
          ...(files ?? []),
          ...(options.processed ?? []),
          ...(await list(options.processedFrom)),
        ];
        const added = [...(options.added ?? []), ...(await list(options.addedFrom))];
        const results =
          options.results === undefined ? undefined : await input.object(options.results, "--results");
        if (processed.length === 0 && added.length === 0 && results === undefined) {
          throw usageError("nothing to report: give files, --processed, --added or --results");
        }
        const countable = processed.length > 0 && added.length === 0 && !out.json && !out.quiet;
        const before = countable ? await client.getSummary(id) : undefined;
        const reply = await client.reportProgress(id, { processed, results, added });
        tellProgress(out, id, reply, before === undefined ? 0 : unexpected(before, reply));
        return undefined;
      }),
    );
};

/** @param unexpectedCount number of reported files that were not pending */
export function tellProgress(out: Output, id: string, reply: ProgressReply, unexpectedCount = 0): void {
  const { status, processed_count, pending_count } = reply;
  if (out.json) out.document(reply);
  else if (out.quiet) out.value(id);
  else {
    const is = status === "running" ? "" : ` ${isNow(status)}`;
    const note =
      unexpectedCount === 0
        ? ""
        : `; ${unexpectedCount} of the reported files ${unexpectedCount === 1 ? "was" : "were"} not pending`;
    out.say(`${safe(id)}${is}: ${processed_count} processed, ${pending_count} pending${note}`);
  }
}

/**
 * Number of reported files that were not pending; 0 if somebody else changed the session at the same time.
 */
function unexpected(before: SessionSummary, after: ProgressReply): number {
  if (after.revision !== before.revision + 1) return 0;
  const done = after.processed_count - before.processed_count;
  return Math.max(0, done - (before.pending_count - after.pending_count));
}
