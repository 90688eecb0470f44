/** `sessionctl pin` and `sessionctl unpin` */
import { forEachSession, type Registration } from "../context.ts";
import { safe } from "../terminal-text.ts";

export const registerPin: Registration = (program, run) => {
  for (const [name, pinned, summary] of [
    ["pin", true, "protect sessions from cleanup"],
    ["unpin", false, "let cleanup remove sessions again"],
  ] as const) {
    program
      .command(name)
      .description(summary)
      .argument("<id...>", "session ids")
      .addHelpText("after", `\nExample:\n  sessionctl ${name} nightly`)
      .action(
        run((context, ids: string[]) =>
          forEachSession(context, ids, async (id) => {
            const reply = await context.client.editSession(id, { pinned });
            context.out.say(`${safe(id)} is ${pinned ? "pinned" : "not pinned"}`);
            return reply;
          }),
        ),
      );
  }
};
