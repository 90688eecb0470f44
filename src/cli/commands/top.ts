/** `sessionctl top`: its options. What it does is in `cli/top`. */
import { Option } from "commander";
import { durationMs } from "../arguments.ts";
import type { Registration } from "../context.ts";
import { lookFor } from "../look.ts";
import { onceLines } from "../top/frame.ts";
import { showLive } from "../top/live.ts";
import { lookOnce, onceDocument } from "../top/once.ts";

interface Options {
  interval: number;
  once?: boolean;
}

/** Within what a daemon can take and a timer can do. */
const [shortestMs, longestMs] = [100, 2 ** 31 - 1];
/** Without a terminal; wide enough for all columns. */
const columnsOfText = 120;

export const registerTop: Registration = (program, run) => {
  program
    .command("top")
    .summary("watch all sessions")
    .description(
      "Watch all sessions: their progress and rate, their workers, and the next cleanup. Running sessions come first. " +
        "Quit with q or Ctrl-C; scroll with the arrows, PgUp and PgDn, or j and k. If the connection to sessiond is " +
        "lost, the display says so and reconnects. Without a terminal, or with --once or --json, it prints the sessions " +
        "once, after one interval, from which it computes the rates.",
    )
    .addOption(
      new Option("--interval <duration>", "time between updates").argParser(durationMs).default(1000, "1s"),
    )
    .option("--once", "print the sessions once as plain text, then exit")
    .addHelpText("after", "\nExample:\n  sessionctl top\n  sessionctl top --once --interval 5s")
    .action(
      run(async ({ client, out, process }, { interval, once = false }: Options) => {
        const intervalMs = Math.min(Math.max(interval, shortestMs), longestMs);
        const { stdout } = process;
        const look = lookFor(stdout, process.env);
        const program = out.pasteable("sessionctl list").replace(/ list$/, "");
        if (out.toTerminal && !once && !out.json && !out.quiet) {
          await showLive({ client, process, look, intervalMs, program, broken: out.broken });
          return undefined;
        }
        const view = { ...(await lookOnce(client, intervalMs)), program };
        if (out.json) out.document(onceDocument(view));
        else if (out.quiet) for (const { session_id } of view.poll.sessions) out.value(session_id);
        else for (const line of onceLines(view, stdout.columns || columnsOfText, look)) out.data(line);
        return undefined;
      }),
    );
};
