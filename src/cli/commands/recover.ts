/** `sessionctl recover` */
import { forEachSession, type Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerRecover: Registration = (program, run) => {
  program
    .command("recover")
    .summary("repair sessions")
    .description(
      "Repair sessions, after backing up each. An unreadable session is moved to quarantine (with PostgreSQL: to the " +
        "trash) and replaced with the newest readable backup. Exits with 1 if a session could not be repaired.",
    )
    .argument("<id...>", "session ids")
    .addHelpText("after", "\nExample:\n  sessionctl recover nightly")
    .action(
      run(async (context, ids: string[]) => {
        const { client, out } = context;
        let allRecovered = true;
        const exitCode = await forEachSession(context, ids, async (id) => {
          const reply = await client.recoverSession(id);
          if (!reply.recovered) allRecovered = false;
          for (const action of reply.actions) out.say(`${safe(id)}: ${safe(action)}`);
          if (reply.actions.length === 0) out.say(`${safe(id)}: nothing to repair`);
          if (reply.backup !== null)
            out.say(`${safe(id)}: the document before the repair is backed up as ${safe(reply.backup)}`);
          return reply;
        });
        return exitCode === exitCodes.ok && !allRecovered ? exitCodes.failed : exitCode;
      }),
    );
};
