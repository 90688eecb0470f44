/** `sessionctl validate` */
import { shellOperand } from "../../text/shell-quote.ts";
import { forEachSession, type Registration } from "../context.ts";
import { exitCodes } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerValidate: Registration = (program, run) => {
  program
    .command("validate")
    .summary("check sessions for problems")
    .description("Check the documents of sessions for problems. Exits with 1 if there is one.")
    .argument("<id...>", "session ids")
    .addHelpText("after", "\nExample:\n  sessionctl validate nightly")
    .action(
      run(async (context, ids: string[]) => {
        const { client, out } = context;
        let allValid = true;
        const exitCode = await forEachSession(context, ids, async (id) => {
          const reply = await client.validateSession(id);
          if (!reply.valid) allValid = false;
          if (!out.json && !out.quiet) {
            if (reply.valid) out.data(`${safe(id)}: ok`);
            for (const { message, repairable } of reply.findings) {
              const advice = repairable ? `; to repair it: sessionctl recover ${shellOperand(id)}` : "";
              out.data(`${safe(id)}: ${safe(message)}${out.pasteable(advice)}`);
            }
          }
          return reply;
        });
        return exitCode === exitCodes.ok && !allValid ? exitCodes.failed : exitCode;
      }),
    );
};
