/** `sessionctl export` */
import { ConnectionError } from "../../client/http/connection-error.ts";
import { isStandardOutput } from "../../files/replace-file.ts";
import type { Session } from "../../session/session.ts";
import { complainAbout } from "../complaint.ts";
import type { Registration } from "../context.ts";
import { counted } from "../count.ts";
import { type ExitCode, exitCodeOf, exitCodes } from "../exit-code.ts";
import { jsonText } from "../output.ts";
import { saveFile } from "../save-file.ts";
import { safe } from "../terminal-text.ts";

export const registerExport: Registration = (program, run) => {
  program
    .command("export")
    .summary("write sessions as JSON")
    .description(
      "Write the whole documents of sessions as JSON: one as an object, several as an array. sessionctl import " +
        "reads both without loss.",
    )
    .argument("<id...>", "session ids")
    .option("-o, --output <file>", "write to this file instead of standard output, which is -")
    .addHelpText("after", "\nExample:\n  sessionctl export nightly -o nightly.json")
    .action(
      run(async ({ client, out, process }, ids: string[], { output }: { output?: string }) => {
        const sessions: Session[] = [];
        let exitCode: ExitCode = exitCodes.ok;
        for (const id of ids) {
          try {
            sessions.push(await client.getSession(id));
          } catch (error) {
            if (error instanceof ConnectionError) throw error;
            complainAbout(out, error, id);
            if (exitCode === exitCodes.ok) exitCode = exitCodeOf(error);
          }
        }
        if (sessions.length === 0) return exitCode;
        const written = ids.length === 1 ? sessions[0] : sessions;
        if (output === undefined || isStandardOutput(output)) out.document(written);
        else {
          await saveFile(process, output, `${jsonText(written)}\n`);
          out.say(`wrote ${counted(sessions.length, "session")} to ${safe(output)}`);
        }
        return exitCode;
      }),
    );
};
