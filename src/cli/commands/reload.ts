/** `sessionctl reload` */
import { isSessiondError } from "../../error.ts";
import type { Registration } from "../context.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerReload: Registration = (program, run) => {
  program
    .command("reload")
    .summary("reload the configuration of sessiond")
    .description(
      "Reload the configuration of sessiond, and print which changes are applied and which need a restart. If the " +
        "configuration has an error, none of it is applied, and the exit code is 78.",
    )
    .addHelpText("after", "\nExample:\n  sessionctl reload")
    .action(
      run(async ({ client, out }) => {
        const reply = await client.reload().catch((error) => {
          if (!isSessiondError(error, "invalid_request")) throw error;
          // One problem per line, each with its place in the file.
          const issues = error.message.split("\n").map((message) => ({ path: "", message }));
          throw new CommandError(
            "the new configuration has errors; sessiond keeps the one in force",
            exitCodes.badConfiguration,
            { cause: error, issues },
          );
        });
        if (out.json) {
          out.document(reply);
          return undefined;
        }
        for (const key of reply.applied) out.data(`applied        ${safe(key)}`);
        for (const key of reply.needs_restart) out.data(`needs restart  ${safe(key)}`);
        if (reply.applied.length + reply.needs_restart.length === 0) out.say("nothing has changed");
        return undefined;
      }),
    );
};
