import type { Command } from "commander";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import { runCommand } from "../run/command.ts";
import { addRunOptions, type RunOptions } from "../run/options.ts";

const help = `
In the command {} stands for the file, {.} for it without its extension, {/} for its last part, {//} for its
directory, {/.} for its last part without extension. Without any of these the file comes last. No shell is
involved unless --shell is given.

A session that is there goes on: files that are done are skipped, files that are named and new join it. Commands
run in the directory where the session was first run. Each file gets a result: exit_code, signal, timed_out,
duration_ms, attempts, stdout (a JSON object or array as such), stderr, truncated, invalid_utf8, finished_time,
fingerprint. It counts as done when that is durable. After --timeout the exit code is 124, after a signal 128
and its number; 126 and 127 are commands that could not be started.

When all files are done the session is completed; if some failed it is failed, and --retry-failed runs just these
again. The first Ctrl-C lets what runs finish, and pauses the session; the second ends it, and those files stay
pending; the third does not wait for sessiond either. What a command leaves behind in its process group is ended a second after it.

Each command's output is printed when its result is durable, never mixed; with --json a line for each file; with -q
nothing. --timeout before or after run is the limit for a file.

Exit codes:
  0 all files done · 1 some failed, or the run was halted, or the session paused, completed or failed by somebody
  else · 3 sessiond did not come back · 4 the session was deleted · 127 no such program · 130 interrupted

Example:
  sessionctl run lint --files 'src/**/*.js' --exclude '**/vendor/**' -- node --check {}
  git ls-files -z '*.png' | sessionctl run shrink -0 --files-from - -j 50% -- optipng -o2 {}
  sessionctl run lint --retry-failed -- node --check {}
  sessionctl run docs --files 'docs/*.md' --shell -- 'pandoc {} > {.}.html'
  sessionctl run lint --rerun-if changed --dry-run --explain -- node --check {}`;

export const registerRun: Registration = (program, run) => {
  const command = program
    .command("run")
    .summary("run a command for each file, resumably")
    .description(
      "Run a command for each pending file of a session, and record what came of it. Without a session of that id, one " +
        "is created. The same command again goes on where it was interrupted.",
    )
    .usage("[id] [options] -- <command> [argument...]")
    .argument("[id]", "session id; a new session gets one if none is given")
    .argument("[command...]", "what to run, after --");
  command.showHelpAfterError("The command to run goes after --. See sessionctl run --help.");
  addRunOptions(command)
    .addHelpText("after", help)
    .action(
      run((context, _id: string | undefined, _command: string[], options: RunOptions, self: Command) =>
        runCommand(context, { ...parts(program, self), options, timeoutMs: timeoutOf(program) }),
      ),
    );
};

/** What comes before `--`, and after it. */
function parts(program: Command, { args }: Command): { id: string | undefined; words: string[] } {
  // commander keeps the words as they were, but its types do not say so.
  const { rawArgs } = program as Command & { rawArgs: readonly string[] };
  const at = rawArgs.indexOf("--");
  const words = at === -1 ? [] : rawArgs.slice(at + 1);
  if (words.length === 0)
    throw usageError("give the command after --, such as: sessionctl run lint -- node --check {}");
  const ids = args.slice(0, args.length - words.length);
  if (ids.length > 1) {
    throw usageError(`one id at most, not ${ids.length}; files are named with --files or --files-from`);
  }
  return { id: ids[0], words };
}

/** As an option of the whole program it says how long an answer may take, which is no question here. */
function timeoutOf(program: Command): number | undefined {
  if (program.getOptionValueSource("timeout") !== "cli") return undefined;
  return (program.opts() as { timeout?: number }).timeout || undefined;
}
