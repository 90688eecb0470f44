/** `sessionctl label` */
import { label, repeated } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";

export const registerLabel: Registration = (program, run) => {
  program
    .command("label")
    .summary("show, set or remove labels")
    .description(
      "Set and remove labels of a session, then print its labels. Without changes, only print them.",
    )
    .argument("<id>", "session id")
    .argument("[key=value...]", "labels to set", label)
    .option("-r, --remove <key>", "label to remove; may be given several times", repeated)
    .addHelpText("after", "\nExample:\n  sessionctl label nightly team=core stage=beta --remove owner")
    .action(
      run(
        async (
          { client, out },
          id: string,
          set: Record<string, string> | undefined,
          { remove = [] }: { remove?: string[] },
        ) => {
          const changes = Object.fromEntries([
            ...Object.entries(set ?? {}),
            ...remove.map((key) => [key, null]),
          ]) as Record<string, string | null>;
          const clash = remove.find((key) => set !== undefined && Object.hasOwn(set, key));
          if (clash !== undefined)
            throw new CommandError(`${clash} is both set and removed; do one of the two`, 2);
          const asked = Object.keys(changes).length === 0;
          const summary = asked
            ? await client.getSummary(id)
            : await client.editSession(id, { labels: changes });
          if (out.json) out.document(summary);
          else if (out.quiet) out.value(id);
          else
            for (const [key, value] of Object.entries(summary.labels))
              out.data(`${safe(key)}=${safe(value)}`);
          return undefined;
        },
      ),
    );
};
