/** `sessionctl backup` */
import type { Backup } from "../../contract/replies.ts";
import { formatSize } from "../../text/size.ts";
import { type Context, forEachSession, type Registration } from "../context.ts";
import { absolutePath } from "../host-process.ts";
import { safe } from "../terminal-text.ts";
import { ago } from "../time.ts";

interface Options {
  directory?: string;
  list?: boolean;
}

export const registerBackup: Registration = (program, run) => {
  program
    .command("backup")
    .summary("back up sessions, or list their backups")
    .description(
      "Back up sessions as they are now, and print where each backup is. To restore one: sessionctl restore.",
    )
    .argument("<id...>", "session ids")
    .option(
      "-d, --directory <directory>",
      "where to write the backups; sessiond must allow that directory (not with PostgreSQL)",
    )
    .option("--list", "list the backups of the sessions instead")
    .addHelpText("after", "\nExample:\n  sessionctl backup nightly\n  sessionctl backup nightly --list")
    .action(
      run((context, ids: string[], { directory, list }: Options) =>
        forEachSession(context, ids, async (id) => {
          const { client, out, process } = context;
          if (list) {
            const reply = await client.listBackups(id);
            if (!out.json && !out.quiet) printBackups(context, id, reply.backups);
            return reply;
          }
          const where = directory === undefined ? undefined : absolutePath(process, directory);
          const backup = await client.createBackup(id, { directory: where });
          if (!out.json && !out.quiet) out.value(backup.location);
          return backup;
        }),
      ),
    );
};

function printBackups({ out, nowMs }: Context, id: string, backups: readonly Backup[]): void {
  if (backups.length === 0) {
    out.say(`${safe(id)} has no backups`);
    return;
  }
  out.table<Backup>(
    [
      { title: "BACKUP", cell: ({ backup }) => backup },
      { title: "CREATED", cell: ({ created_time }) => ago(created_time, nowMs) },
      { title: "SIZE", cell: ({ bytes }) => formatSize(bytes), align: "right" },
      { title: "LOCATION", cell: ({ location }) => location },
    ],
    backups,
  );
}
