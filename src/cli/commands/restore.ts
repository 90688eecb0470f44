import { confirm } from "../confirm.ts";
import type { Registration } from "../context.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerRestore: Registration = (program, run) => {
  program
    .command("restore")
    .summary("put a backup of a session back")
    .description(
      "Put a backup of a session back, by default the newest. What was there before is backed up first. (Deleted sessions come back with sessionctl trash restore.)",
    )
    .argument("<id>", "session id")
    .argument("[backup]", "which backup, as sessionctl backup --list names it")
    .option("-y, --yes", "do not ask")
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
            throw new CommandError(
              `${safe(id)} has no backups; see what is in the trash: sessionctl trash ls`,
            );
          }
          await confirm(process, `Replace ${safe(id)} by its backup ${safe(backup)}?`, yes);
          const reply = await client.restoreBackup(id, backup);
          if (out.json) out.document(reply);
          else if (out.quiet) out.data(id);
          const before = reply.previous === null ? "" : `; what was there before is ${safe(reply.previous)}`;
          out.say(`restored ${safe(id)} from ${safe(backup)}${before}`);
          return undefined;
        },
      ),
    );
};
