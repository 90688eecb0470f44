/** `sessionctl restore` */
import { confirm } from "../confirm.ts";
import type { Registration } from "../context.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerRestore: Registration = (program, run) => {
  program
    .command("restore")
    .summary("restore a session from a backup")
    .description(
      "Restore a session from a backup, by default the newest. The current document is backed up first. " +
        "(To restore a deleted session: sessionctl trash restore.)",
    )
    .argument("<id>", "session id")
    .argument("[backup]", "name of the backup, as listed by sessionctl backup --list")
    .option("-y, --yes", "do not ask for confirmation")
    .addHelpText("after", "\nExample:\n  sessionctl restore nightly nightly_20260102_030405.json --yes")
    .action(
      run(
        async (
          { client, out, process },
          id: string,
          given: string | undefined,
          { yes = false }: { yes?: boolean },
        ) => {
          const backup = given ?? (await client.listBackups(id)).backups[0]?.backup;
          if (backup === undefined) {
            throw new CommandError(`${safe(id)} has no backups; to look in the trash: sessionctl trash ls`);
          }
          await confirm(process, `Replace ${safe(id)} with its backup ${safe(backup)}?`, { yes });
          const reply = await client.restoreBackup(id, backup);
          if (out.json) out.document(reply);
          else if (out.quiet) out.value(id);
          const before =
            reply.previous === null
              ? ""
              : `; the document before that is backed up as ${safe(reply.previous)}`;
          out.say(`restored ${safe(id)} from ${safe(backup)}${before}`);
          return undefined;
        },
      ),
    );
};
