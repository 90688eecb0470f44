import { forEachSession, type Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerRecover: Registration = (program, run) => {
  program
    .command("recover")
    .summary("repair sessions")
    .description(
      "Repair sessions, after a backup of each. An unreadable one is kept aside, and its newest readable backup takes its place. Exits with 1 if one could not be recovered.",
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
          if (reply.backup !== null) out.say(`${safe(id)}: as it was: ${safe(reply.backup)}`);
          return reply;
        });
        return exitCode === exitCodes.ok && !allRecovered ? exitCodes.failed : exitCode;
      }),
    );
};
