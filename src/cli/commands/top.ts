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

/** What a daemon and a timer can do. */
const [shortestMs, longestMs] = [100, 2 ** 31 - 1];
/** Where there is no terminal; wide enough for all columns. */
const columnsOfText = 120;

export const registerTop: Registration = (program, run) => {
  program
    .command("top")
    .summary("watch all sessions")
    .description(
      "Watch all sessions: how far they are, how fast, who works on them, and what is cleaned up next. What runs comes first. Quit with q or Ctrl-C; scroll with the arrows, PgUp and PgDn, or j and k. While sessiond is away it says so, and goes on when it is back. Without a terminal, with --once or --json, it prints one look, after the interval that a rate takes.",
    )
    .addOption(
      new Option("--interval <duration>", "how often to look").argParser(durationMs).default(1000, "1s"),
    )
    .option("--once", "print one look as plain text, and end")
    .addHelpText("after", "\nExample:\n  sessionctl top\n  sessionctl top --once --interval 5s")
    .action(
      run(async ({ client, out, process }, { interval, once = false }: Options) => {
        const intervalMs = Math.min(Math.max(interval, shortestMs), longestMs);
        const { stdout } = process;
        const look = lookFor(stdout, process.env);
        if (out.toTerminal && !once && !out.json && !out.quiet) {
          await showLive({ client, process, look, intervalMs });
          return undefined;
        }
        const view = await lookOnce(client, intervalMs);
        if (out.json) out.document(onceDocument(view));
        else if (out.quiet) for (const { session_id } of view.poll.sessions) out.data(session_id);
        else for (const line of onceLines(view, stdout.columns || columnsOfText, look)) out.data(line);
        return undefined;
      }),
    );
};
