/** `sessionctl delete` */
import { isSessiondError, SessiondError } from "../../error.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { confirm } from "../confirm.ts";
import { forEachSession, type Registration } from "../context.ts";
import { safe } from "../terminal-text.ts";

interface Options {
  purge?: boolean;
  force?: boolean;
  yes?: boolean;
}

export const registerDelete: Registration = (program, run) => {
  program
    .command("delete")
    .alias("rm")
    .summary("delete sessions")
    .description("Move sessions to the trash. To undo this: sessionctl trash restore.")
    .argument("<id...>", "session ids")
    .option("--purge", "delete for good instead")
    .option("--force", "even if a worker is attached")
    .option("-y, --yes", "do not ask for confirmation")
    .addHelpText("after", "\nExample:\n  sessionctl delete nightly --yes")
    .action(
      run(async (context, ids: string[], { purge, force, yes = false }: Options) => {
        const what = ids.length === 1 ? safe(ids[0] as string) : `${ids.length} sessions`;
        await confirm(context.process, `Delete ${what}${purge ? " for good" : ""}?`, { yes });
        return forEachSession(context, ids, async (id) => {
          const reply = await context.client.deleteSession(id, { purge, force }).catch(mentionForce);
          const undo = reply.purged ? "for good" : `undo: sessionctl trash restore ${shellOperand(id)}`;
          context.out.say(`deleted ${safe(id)} (${undo})`);
          return reply;
        });
      }),
    );
};

function mentionForce(error: unknown): never {
  if (!isSessiondError(error, "lease_held")) throw error;
  throw new SessiondError("lease_held", `${error.message}, or delete it anyway with --force`);
}
