import type { ProgressReply } from "../../contract/replies.ts";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import type { Output } from "../output.ts";
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
    .summary("report files that are done, results, and files that were found")
    .description(
      "Report what changed in a session: files that are done, results, and files that turned out to need work. The same report twice does no harm.",
    )
    .argument("<id>", "session id")
    .argument("[file...]", "files that are done, as with --processed")
    .option("--processed <file...>", "files that are done")
    .option("--processed-from <file>", "files that are done, one per line; - for standard input")
    .option("--added <file...>", "more files that need work")
    .option("--added-from <file>", "more files that need work, one per line; - for standard input")
    .option("-0, --null", "the files are separated by zero bytes, as find -print0 writes them")
    .option("--results <json>", "results by key: a JSON object, @file, or - for standard input")
    .addHelpText(
      "after",
      `\nExample:\n  sessionctl progress nightly --processed src/a.ts --results '{"src/a.ts": {"issues": 3}}'`,
    )
    .action(
      run(async ({ client, out, input }, id: string, files: string[], options: Options) => {
        const list = async (path: string | undefined) =>
          path === undefined ? [] : input.list(path, options.null ?? false);
        const processed = [...files, ...(options.processed ?? []), ...(await list(options.processedFrom))];
        const added = [...(options.added ?? []), ...(await list(options.addedFrom))];
        const results =
          options.results === undefined ? undefined : await input.object(options.results, "--results");
        if (processed.length === 0 && added.length === 0 && results === undefined) {
          throw usageError("nothing to report: give files, --processed, --added or --results");
        }
        tellProgress(out, id, await client.reportProgress(id, { processed, results, added }));
        return undefined;
      }),
    );
};

export function tellProgress(out: Output, id: string, reply: ProgressReply): void {
  if (out.json) out.document(reply);
  else if (out.quiet) out.data(id);
  else out.say(`${safe(id)}: ${reply.processed_count} processed, ${reply.pending_count} pending`);
}
