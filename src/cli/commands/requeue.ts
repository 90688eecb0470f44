/** `sessionctl requeue` */
import type { SessionClient } from "../../client/session-client.ts";
import type { ProgressReply } from "../../contract/replies.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { fileNames, separatorOf } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { counted } from "../count.ts";
import { usageError } from "../exit-code.ts";
import { isNow } from "../status-text.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  failed?: boolean;
  null?: boolean;
}

/** Files of one request; a list of a request has a limit. */
const batchFiles = 100_000;

export const registerRequeue: Registration = (program, run) => {
  program
    .command("requeue")
    .summary("make processed files pending again")
    .description(
      "Make processed files pending again, behind the others, in the order given. Their results stay until they are " +
        "replaced. A file that is pending already stays where it is; one that a worker holds is refused.",
    )
    .argument("<id>", "session id")
    .argument(
      "[file...]",
      "processed files; - reads their names from standard input, one per line",
      fileNames,
    )
    .option("--failed", "the files that have failed")
    .option("-0, --null", "the names are separated by zero bytes, as find -print0 prints them")
    .addHelpText("after", "\nExample:\n  sessionctl requeue nightly --failed")
    .action(
      run(async ({ client, out, input }, id: string, given: string[] | undefined, options: Options) => {
        const files: string[] = [];
        for (const file of given ?? []) {
          if (file !== "-") files.push(file);
          else for (const name of await input.list(file, separatorOf(options))) files.push(name);
        }
        if (options.failed) for (const file of await failedFiles(client, id)) files.push(file);
        else if ((given ?? []).length === 0) throw usageError("nothing to requeue: give files, or --failed");
        const before = await client.getSummary(id);
        let reply: ProgressReply | undefined;
        for (let at = 0; at === 0 || at < files.length; at += batchFiles) {
          reply = await client.requeue(id, files.slice(at, at + batchFiles));
        }
        const after = reply as ProgressReply;
        if (out.json) out.document(after);
        else if (out.quiet) out.value(id);
        else {
          const moved = Math.max(0, before.processed_count - after.processed_count);
          const { status, pending_count } = after;
          // Workers may have finished others meanwhile, so that the counts tell nothing of these files.
          const isBusy = before.workers.length > 0;
          const what = isBusy
            ? `${counted(new Set(files).size, "file")} requeued or pending already`
            : `${counted(moved, "file")} requeued`;
          out.say(`${safe(id)}: ${what}, ${pending_count} pending`);
          if (moved > 0 && status !== "running" && status !== "paused") {
            out.say(`it ${isNow(status)}; to return it to running: sessionctl reopen ${shellOperand(id)}`);
          }
        }
        return undefined;
      }),
    );
};

/** All of them, before any is requeued: then it has not failed any more. */
async function failedFiles(client: SessionClient, id: string): Promise<string[]> {
  const files: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listFiles(id, { state: "failed", limit: 1000, cursor });
    for (const file of page.files) files.push(file);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return files;
}
