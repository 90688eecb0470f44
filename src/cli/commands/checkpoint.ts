/** `sessionctl checkpoint` */
import { separatorOf } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import { tellProgress } from "./progress.ts";

interface Options {
  processedFrom?: string;
  pendingFrom?: string;
  null?: boolean;
  results?: string;
}

export const registerCheckpoint: Registration = (program, run) => {
  program
    .command("checkpoint")
    .summary("replace the file lists of a session and merge results")
    .description(
      "Replace the file lists of a session and merge results. A list that is not given stays unchanged. If somebody " +
        "else changes the session at the same time, nothing is changed. A paused session takes checkpoints too; the " +
        "output, or the status in --json, says that it is paused.",
    )
    .argument("<id>", "session id")
    .option("--processed-from <file>", "the processed files, one per line; - for standard input")
    .option("--pending-from <file>", "the pending files, one per line; - for standard input")
    .option("-0, --null", "the names are separated by zero bytes, as find -print0 prints them")
    .option("--results <json>", "results to merge: a JSON object, @file, or - for standard input")
    .addHelpText(
      "after",
      "\nExample:\n  sessionctl checkpoint nightly --processed-from done.txt --pending-from todo.txt --results @results.json",
    )
    .action(
      run(async ({ client, out, input }, id: string, options: Options) => {
        const { processedFrom, pendingFrom, results } = options;
        if (processedFrom === undefined && pendingFrom === undefined && results === undefined) {
          throw usageError("give --processed-from, --pending-from or --results");
        }
        const list = (path: string | undefined) =>
          path === undefined ? undefined : input.list(path, separatorOf(options));
        const processed = await list(processedFrom);
        const pending = await list(pendingFrom);
        const partial_results = results === undefined ? undefined : await input.object(results, "--results");
        const current =
          processed === undefined || pending === undefined ? await client.getSession(id) : undefined;
        const reply = await client.checkpointSession(
          id,
          {
            processed_files: processed ?? current?.processed_files ?? [],
            pending_files: pending ?? current?.pending_files ?? [],
            partial_results,
          },
          { ifUnchanged: current },
        );
        tellProgress(out, id, reply);
        return undefined;
      }),
    );
};
