/** `sessionctl run`: its options, its help and its arguments. What it does is in `cli/run`. */
import type { Command, Option } from "commander";
import type { Registration } from "../context.ts";
import { usageError } from "../exit-code.ts";
import { addHelp } from "../help-text.ts";
import { takeFilesAfter } from "../run/arguments-after.ts";
import { runCommand } from "../run/begin.ts";
import type { RunRequest } from "../run/command.ts";
import { giveCommand } from "../run/memory.ts";
import { addRunOptions, type RunOptions } from "../run/options.ts";

const help = `
In the command, {} stands for the file, {.} for the file without its extension, {/} for its base name, {//} for its
directory, and {/.} for its base name without extension. Without any of these, the file is added as the last word.
The command runs without a shell unless --shell is given. Files may also follow the command: after ::: as names, or
in lists after ::::. Other words of GNU parallel are taken too, or answered with what to write instead.

An existing session continues: files that are done are skipped, and new files are added. It remembers the
command, its directory, and -j, --delay, --retries, --retry-delay, --defer-on, --max-defer, --timeout, --halt,
--on-pause, --depends, --budget, --shell and --output-limit: without a command, the run goes on with them.
What is given wins, and is remembered from then on.

With --share, several runs work on one session, also together with workers of other kinds. They have command, directory
and --depends in common, and each has its own -j. The first one prepares the session, later ones join: sessionctl run ID
--share is enough. Ctrl-C leaves the session to the others. --halt counts over all; --budget is refused.

Each file gets a result: exit_code, signal, timed_out, timeout_ms, duration_ms, attempts, deferred, error,
spent, stdout (parsed if it is a JSON object or array), stderr, truncated, invalid_utf8, finished_time,
fingerprint, fingerprint_after, command_hash, depends_hash. A file is done when its result is durable. The
exit code is 124 after --timeout, 128 plus the signal's number after a signal, and 126 or 127 if the command
could not be started.

--on-end runs a line for sh when the run has ended: done, failed, paused, interrupted or without its connection, but not
after kill -9 or a third Ctrl-C. Its standard input is a summary as JSON, its variables are SESSIOND_SESSION,
SESSIOND_STATUS, SESSIOND_REASON, SESSIOND_EXIT_CODE, SESSIOND_DONE, SESSIOND_FAILED and SESSIOND_PENDING. A line
that fails does not change the exit code of the run; a line that takes longer than 10 minutes is ended.

When all files are done, the session is completed; if some failed, the session has failed, and --retry-failed runs
only those again. The first Ctrl-C lets running commands finish and pauses the session. The second stops them; their
files stay pending. The third does not wait for sessiond either. If somebody else pauses the session, running commands
finish, and the run waits until the session is resumed; with --on-pause exit it ends instead. Processes that a command
leaves in its process group are stopped after one second.

If done files were edited since, or were done by another command or with other --depends files, the run says how many
and ends with 2, until it is told --rerun-if changed or --keep-done. Files that failed or are pending may be edited, and
--retry-failed keeps what is done, for this once.
Names for --depends are relative to the directory where commands run.

Exit status 75 (--defer-on) means "not now": a service that the command needs is at its limit, or down. The file stays
pending behind the others, and the run slows down: fewer commands at once, and none for a growing time, or as long as a
line "Retry-After: SECONDS" (or a date) on stderr says, or the key retry_after of JSON on stdout. Success speeds it up
again. A file that is refused 20 times while others succeed has failed.

The output of each command is printed as a whole once its result is durable. With --json, a line for each file is
printed instead; with -q, nothing. --timeout, before or after run, is the time limit for one file.

--files takes patterns: * and ? within a name, ** for directories, [a-z], {a,b}; hidden names only with their dot. An
excluded directory is not entered; **/ at the beginning of --exclude matches at any depth. If a directory could not be
read, the session is paused after the rest is done, and the next run looks again.

Exit codes:
  0    all files are done
  1    files failed or may be missing, the run was halted or paused itself,
       or somebody else ended the session, or paused it with --on-pause exit
  2    invalid options, or done files have changed, or with --share
       the others do another work
  3    the connection to sessiond was lost
  4    the session was deleted
  127  there is no such program
  130  interrupted

Example:
  sessionctl run lint --files 'src/**/*.js' --exclude '**/vendor/**' -- node --check {}
  sessionctl run zip -- gzip -k {} ::: *.log
  git ls-files -z '*.png' | sessionctl run shrink -0 --files-from - -j 50% -- optipng -o2 {}
  sessionctl run lint
  sessionctl run lint --share -j 2
  sessionctl run lint --retry-failed
  sessionctl run lint --on-end 'notify-send -- "$SESSIOND_SESSION: $SESSIOND_STATUS"'
  sessionctl run docs --files 'docs/*.md' --shell -- 'pandoc {} > {.}.html'
  sessionctl run lint --rerun-if changed --dry-run --explain`;

export const registerRun: Registration = (program, run) => {
  const command = program
    .command("run")
    .summary("run a command for each file, resumably")
    .description(
      "Run a command for each pending file of a session, and record the results. If there is no session with that id, " +
        "it is created. After an interruption, sessionctl run ID continues with the files that are left.",
    )
    .usage("[id] [options] [-- <command> [argument...]]")
    .argument("[id]", "session id; without one, a new session with a generated id")
    .argument(
      "[command...]",
      "command to run, after --; without one, the command that the session remembers",
    );
  command.showHelpAfterError(
    "See sessionctl run --help; the command to run and its own options come after --.",
  );
  addHelp(addRunOptions(command), help).action(
    run(
      (context, _id: string | undefined, _command: string[], options: RunOptions, self: Command) =>
        runCommand(context, { ...parts(program, self), ...given(program, self, options) }),
      "made",
    ),
  );
};

type Parts = Pick<RunRequest, "id" | "words" | "names" | "lists">;

/** The words before `--` and after it. Files after `:::` need no command, if the session remembers one. */
function parts(program: Command, self: Command): Parts {
  // commander keeps the original words, but not in its types.
  const { rawArgs } = program as Command & { rawArgs: readonly string[] };
  const at = rawArgs.indexOf("--");
  if (at > 0) checkHasValue([...program.options, ...self.options], rawArgs[at - 1] as string);
  const words = at === -1 ? [] : rawArgs.slice(at + 1);
  const before = self.args.slice(0, self.args.length - words.length);
  const { command, names, lists } = takeFilesAfter(at === -1 ? before : words);
  const [ids, own] = at === -1 ? [command, []] : [before, command];
  if (ids.length > 1) {
    throw usageError(
      at === -1 && ids.length < before.length
        ? "the command comes after --, such as: sessionctl run ID -- gzip {} ::: FILE..."
        : "only the session id stands before --; the command comes after it, and files are given with --files or --files-from",
    );
  }
  if (ids.length === 0 && own.length === 0) throw usageError(giveCommand);
  return { id: ids[0], words: own, names, lists };
}

/** commander takes the `--` for the value of an option that has none, as in `--files $NOTHING -- CMD`. */
function checkHasValue(options: readonly Option[], word: string): void {
  const option = options.find(({ short, long, required }) => required && [short, long].includes(word));
  if (option !== undefined) throw usageError(`option '${option.flags}' argument missing`);
}

/**
 * The options, and the names of those that the command line gives. For `run`, the global --timeout is the
 * time limit for one attempt; 0 is none.
 */
function given(program: Command, self: Command, read: RunOptions) {
  // commander makes an empty text of what `--halt never` means.
  const options = { ...read, halt: read.halt || undefined };
  const names = new Set(Object.keys(options).filter((name) => self.getOptionValueSource(name) === "cli"));
  if (program.getOptionValueSource("timeout") !== "cli") return { options, given: names };
  const { timeout } = program.opts() as { timeout?: number };
  return { options: { ...options, timeout: timeout || undefined }, given: names.add("timeout") };
}
