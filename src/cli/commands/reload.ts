import { isSessiondError } from "../../error.ts";
import type { Registration } from "../context.ts";
import { CommandError, exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerReload: Registration = (program, run) => {
  program
    .command("reload")
    .summary("have sessiond read its configuration again")
    .description(
      "Have sessiond read its configuration again, and print what is in force now and what waits for a restart. A bad configuration is refused whole: exit 78, and the old one stays.",
    )
    .addHelpText("after", "\nExample:\n  sessionctl reload")
    .action(
      run(async ({ client, out }) => {
        const reply = await client.reload().catch((error) => {
          if (!isSessiondError(error, "invalid_request")) throw error;
          // One problem per line, each with its place in the file.
          const issues = error.message.split("\n").map((message) => ({ path: "", message }));
          throw new CommandError(
            "sessiond refuses its configuration; the one in force stays as it was",
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
