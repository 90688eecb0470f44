/** `sessionctl results` */
import type { ResultPage } from "../../contract/replies.ts";
import type { JsonObject } from "../../json/exact-json.ts";
import { wholeNumber } from "../arguments.ts";
import type { Registration } from "../context.ts";

interface Options {
  limit?: number;
  cursor?: string;
}

export const registerResults: Registration = (program, run) => {
  program
    .command("results")
    .summary("print the results of a session")
    .description("Print the results of a session as one JSON object: all, or a page with --limit.")
    .argument("<id>", "session id")
    .option("--limit <count>", "at most this many, up to 1000", wholeNumber(1))
    .option("--cursor <cursor>", "continue where an earlier page ended")
    .addHelpText("after", "\nExample:\n  sessionctl results nightly | jq 'map_values(.issues)'")
    .action(
      run(async ({ client, out }, id: string, { limit, cursor }: Options) => {
        const page =
          limit === undefined && cursor === undefined
            ? everyResult((await client.getSession(id)).partial_results)
            : await client.listResults(id, { limit, cursor });
        out.document(out.json ? page : page.results);
        if (page.next_cursor !== null) {
          const count = Object.keys(page.results).length;
          out.say(`${count} of ${page.total} results; for more, add --cursor ${page.next_cursor}`);
        }
        return undefined;
      }),
    );
};

function everyResult(results: JsonObject): ResultPage {
  return { results, next_cursor: null, total: Object.keys(results).length };
}
