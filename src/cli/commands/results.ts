/** `sessionctl results` */
import type { ResultPage } from "../../contract/replies.ts";
import { failedFiles, resultOf } from "../../session/failed-file.ts";
import type { Session } from "../../session/session.ts";
import { wholeNumber } from "../arguments.ts";
import type { Context, Registration } from "../context.ts";
import { counted } from "../count.ts";
import { failureLines, failuresAmong } from "../failures.ts";

interface Options {
  failed?: boolean;
  limit?: number;
  cursor?: string;
}

export const registerResults: Registration = (program, run) => {
  program
    .command("results")
    .summary("print the results of a session")
    .description(
      "Print the results of a session as one JSON object: all, or a page with --limit. The first failed files are " +
        "named on standard error.",
    )
    .argument("<id>", "session id")
    .option("--failed", "only the results of failed files")
    .option("--limit <count>", "at most this many, up to 1000", wholeNumber(1))
    .option("--cursor <cursor>", "continue where an earlier page ended")
    .addHelpText(
      "after",
      "\nExample:\n  sessionctl results nightly | jq 'map_values(.issues)'\n  sessionctl results nightly --failed",
    )
    .action(
      run(async (context, id: string, options: Options) => {
        const { client, out } = context;
        const { failed = false, limit, cursor } = options;
        const page =
          limit === undefined && cursor === undefined
            ? await everyResult(context, await client.getSession(id), failed)
            : await client.listResults(id, { failed, limit, cursor });
        out.document(out.json ? page : page.results);
        if (page.next_cursor !== null) {
          const count = Object.keys(page.results).length;
          out.say(`${count} of ${page.total} results; for more, add --cursor ${page.next_cursor}`);
        }
        return undefined;
      }),
    );
};

/** Reads the whole document once, instead of once for each page. */
async function everyResult({ out }: Context, session: Session, onlyFailed: boolean): Promise<ResultPage> {
  const all = session.partial_results;
  const failed = await failedFiles(session);
  if (failed.length > 0 && !onlyFailed) {
    out.say(`${counted(failed.length, "file")} failed:`);
    for (const line of failureLines(session.session_id, failuresAmong(failed, all), failed.length))
      out.say(line);
  }
  const results = onlyFailed
    ? Object.fromEntries(failed.map((file) => [file, resultOf(all, file) ?? null]))
    : all;
  return { results, next_cursor: null, total: Object.keys(results).length };
}
