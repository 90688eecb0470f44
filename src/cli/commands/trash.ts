/** `sessionctl trash` */
import type { TrashEntry } from "../../contract/replies.ts";
import { isSessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import { formatSize } from "../../text/size.ts";
import { durationText } from "../arguments.ts";
import { confirm } from "../confirm.ts";
import { type Context, forEachSession, type Registration } from "../context.ts";
import { counted } from "../count.ts";
import { usageError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { ago } from "../time.ts";

export const registerTrash: Registration = (program, run) => {
  const trash = program
    .command("trash")
    .description("list and restore deleted sessions, or delete them for good")
    .addHelpText("after", "\nExample:\n  sessionctl trash ls\n  sessionctl trash restore nightly");

  trash
    .command("ls")
    .alias("list")
    .description("list deleted sessions, newest first")
    .addHelpText("after", "\nExample:\n  sessionctl trash ls")
    .action(
      run(async ({ client, out, nowMs }) => {
        const listing = await client.listTrash();
        if (out.json) out.document(listing);
        else if (out.quiet) for (const { session_id } of listing.entries) out.value(session_id);
        else if (listing.total === 0) out.say("the trash is empty");
        else {
          out.table<TrashEntry>(
            [
              { title: "ID", cell: (entry) => entry.session_id },
              { title: "STATUS", cell: (entry) => entry.status ?? "unreadable" },
              { title: "REMOVED", cell: (entry) => ago(entry.removed_time, nowMs) },
              { title: "REASON", cell: (entry) => entry.reason },
              { title: "SIZE", cell: (entry) => formatSize(entry.bytes), align: "right" },
              { title: "TRASH ID", cell: (entry) => entry.trash_id },
            ],
            listing.entries,
          );
        }
        return undefined;
      }),
    );

  trash
    .command("restore")
    .description("restore deleted sessions")
    .argument("<id...>", "session ids (the last one deleted under that id), or trash ids")
    .option("--trash-id <id>", "which one, if several were deleted under that id")
    .addHelpText("after", "\nExample:\n  sessionctl trash restore nightly")
    .action(
      run((context, ids: string[], { trashId }: { trashId?: string }) => {
        if (trashId !== undefined && ids.length > 1)
          throw usageError("--trash-id needs exactly one session id");
        return forEachSession(context, ids, async (id) => {
          const summary = await restore(context, id, trashId);
          context.out.say(`${safe(summary.session_id)} restored, ${summary.status}`);
          return summary;
        });
      }),
    );

  trash
    .command("empty")
    .description("delete the contents of the trash for good")
    .option(
      "--older-than <duration>",
      "only what was deleted at least this long ago, such as 7d",
      durationText,
    )
    .option("-y, --yes", "do not ask for confirmation")
    .addHelpText("after", "\nExample:\n  sessionctl trash empty --older-than 7d --yes")
    .action(
      run(
        async (
          { client, out, process },
          { olderThan, yes = false }: { olderThan?: string; yes?: boolean },
        ) => {
          const what = olderThan === undefined ? "everything" : `what is older than ${olderThan}`;
          await confirm(process, `Delete ${what} in the trash for good?`, { yes });
          const reply = await client.emptyTrash({ older_than: olderThan });
          if (out.json) out.document(reply);
          out.say(`deleted ${counted(reply.removed, "session")} for good, ${formatSize(reply.bytes)}`);
          return undefined;
        },
      ),
    );
};

/** Restores by session id, else by trash id, as `trash ls` prints both. */
async function restore(
  { client }: Context,
  id: string,
  trashId: string | undefined,
): Promise<SessionSummary> {
  try {
    return await client.restoreTrash(id, { trash_id: trashId });
  } catch (error) {
    if (trashId !== undefined || !isSessiondError(error, "session_not_found")) throw error;
    const entry = (await client.listTrash()).entries.find(({ trash_id }) => trash_id === id);
    if (entry === undefined) throw error;
    return client.restoreTrash(entry.session_id, { trash_id: id });
  }
}
