/** `sessionctl files` */
import { Option } from "commander";
import type { FileState } from "../../client/http/query.ts";
import type { FilePage } from "../../contract/replies.ts";
import { wholeNumber } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { addHelp } from "../help-text.ts";
import { withDownloaded } from "../results/download.ts";
import type { SessionText } from "../results/session-text.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  state: FileState;
  limit?: number;
  cursor?: string;
  null?: boolean;
}

const help = `
Failed files are processed files whose result says so: its exit_code is not 0, or it has no exit_code but an error
as text.

Example:
  sessionctl files nightly -0 | xargs -0 wc -l
  sessionctl files nightly --state failed`;

export const registerFiles: Registration = (program, run) => {
  const command = program
    .command("files")
    .summary("list the files of a session")
    .description(
      "List the pending, processed or failed files of a session, one per line: all, or a page with --limit.",
    )
    .argument("<id>", "session id")
    .addOption(
      new Option("--state <state>", "which files")
        .choices(["pending", "processed", "failed"])
        .default("pending"),
    )
    .option("--limit <count>", "at most this many, up to 1000", wholeNumber(1))
    .option("--cursor <cursor>", "continue where an earlier page ended")
    .option("-0, --null", "end each name with a zero byte, for xargs -0");
  addHelp(command, help).action(
    run(async ({ client, out }, id: string, { state, limit, cursor, null: zeroes }: Options) => {
      const page =
        limit === undefined && cursor === undefined
          ? await withDownloaded(client, id, (session) => everyFile(session, state))
          : await client.listFiles(id, { state, limit, cursor });
      if (out.json) out.document(page);
      else out.raw(page.files.map((file) => `${shown(file, out)}${zeroes ? "\0" : "\n"}`).join(""));
      if (page.next_cursor !== null) {
        out.say(`${page.files.length} of ${page.total} files; for more, add --cursor ${page.next_cursor}`);
      }
      return undefined;
    }),
  );
};

/** Reads the document once, instead of once for each page. */
async function everyFile(session: SessionText, state: FileState): Promise<FilePage> {
  const { pending_files, processed_files } = session.outline;
  const files = state === "pending" ? pending_files : processed_files;
  return pageOf(state === "failed" ? await failedAmong(files, session) : files);
}

function pageOf(files: readonly string[]): FilePage {
  return { files: [...files], next_cursor: null, total: files.length };
}

/** Those that have failed, each once, in this order. */
async function failedAmong(files: readonly string[], session: SessionText): Promise<string[]> {
  const failed = new Set<string>();
  for await (const rows of session.rows()) {
    for (const { file, status } of rows) if (status === "failed") failed.add(file);
  }
  // A name is taken out when it is found.
  return files.filter((file) => failed.delete(file));
}

/** Unchanged for a program, and safe for a terminal. */
function shown(file: string, { toTerminal }: { toTerminal: boolean }): string {
  return toTerminal ? safe(file) : file;
}
