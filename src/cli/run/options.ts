/** The options of `run`, and how their values are read. */
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Budgets, parseBudget } from "../../runner/budget.ts";
import { defaultDeferOn, formatDeferOn, parseDeferOn } from "../../runner/defer-on.ts";
import { type Halt, parseHalt } from "../../runner/halt.ts";
import { parseJobs } from "../../runner/jobs.ts";
import { asManyAsPossible } from "../../runner/most-at-once.ts";
import { OptionError } from "../../runner/option-error.ts";
import { maxOutputLimit, type OnPause, onPauseChoices } from "../../runner/runner-options.ts";
import { parseSize, SizeError } from "../../text/size.ts";
import {
  durationMs,
  fileNames,
  label,
  repeated,
  secondsOrDuration,
  shellLine,
  wholeNumber,
} from "../arguments.ts";
import { type ProgressMode, progressModes } from "../progress/create-display.ts";
import { addParallelHabits } from "./parallel-habits.ts";

export interface RunOptions {
  files?: string[];
  exclude?: string[];
  follow?: boolean;
  filesFrom?: string;
  null?: boolean;
  /** As {@link parseJobs} reads it. */
  jobs: string;
  retries: number;
  /** Milliseconds. */
  retryDelay: number;
  /** Milliseconds. */
  delay: number;
  deferOn: readonly number[];
  /** Milliseconds. */
  maxDefer: number;
  /** Milliseconds for one attempt; it is a global option of the command line. */
  timeout?: number | undefined;
  halt?: Halt | undefined;
  budget?: Budgets;
  retryFailed?: boolean;
  rerunIf?: "changed";
  keepDone?: boolean;
  depends?: string[];
  dryRun?: boolean;
  explain?: boolean;
  onPause: OnPause;
  share?: boolean;
  keepOrder?: boolean;
  tag?: boolean;
  onEnd?: string;
  shell?: boolean;
  cwd?: string;
  results?: string;
  joblog?: string;
  /** Bytes. */
  outputLimit: number;
  progress: ProgressMode;
  label?: Record<string, string>;
  /** Milliseconds. */
  reconnect: number;
}

export function addRunOptions(command: Command): Command {
  addOwnOptions(command);
  addParallelHabits(command);
  return command;
}

function addOwnOptions(command: Command): void {
  command
    .optionsGroup("Files:")
    .option("--files <glob...>", "files to run for; quote patterns, such as 'src/**/*.ts'", list)
    .option("--exclude <glob...>", "patterns of files to leave out", list)
    .option("--follow", "enter directories behind links")
    .option("--files-from <file>", "file with file names, one per line; - for standard input")
    .option("-0, --null", "those names are separated by zero bytes, as find -print0 prints them")
    .optionsGroup("Commands:")
    .option("--shell", "the command is a line for sh, in which the file name is quoted")
    .option("--cwd <directory>", "where commands run (default: where the session ran last, else here)")
    .option("--timeout <duration>", "time limit for one attempt; then its process group is stopped")
    .addOption(
      new Option(
        "-j, --jobs <number>",
        "commands to run at once: 4; 50%, +1 or -1 of the processors; 0: up to 250",
      )
        .argParser(jobs)
        .default("100%", "one per processor"),
    )
    .option("--share", "work together with other runs of this session that have --share; each has its own -j")
    .addOption(
      new Option("--delay <duration>", "how long to wait between the starts of two commands, at least")
        .argParser(delay)
        .default(0, "none"),
    )
    .optionsGroup("Failures and refusals:")
    .option("--retries <count>", "further attempts for a file whose command fails", wholeNumber(0), 0)
    .addOption(
      new Option("--retry-delay <duration>", "how long to wait before the first of them; doubled each time")
        .argParser(secondsOrDuration)
        .default(0, "0"),
    )
    .addOption(
      new Option(
        "--defer-on <statuses>",
        'exit statuses that mean "not now": slow down, try again later; or none',
      )
        .argParser(deferOn)
        .default(defaultDeferOn, formatDeferOn(defaultDeferOn)),
    )
    .addOption(
      new Option("--max-defer <duration>", "pause the session after so long without any success")
        .argParser(secondsOrDuration)
        .default(86_400_000, "24h"),
    )
    .optionsGroup("End of the run:")
    .option("--halt <when>", "when to stop early: soon,fail=N or N%; now,…; also success= and done=", halt)
    .option(
      "--budget <key=max>",
      "pause when the sum of a number in the results reaches this; KEY=none for no limit",
      budget,
    )
    .addOption(
      new Option("--on-pause <what>", "when somebody pauses the session: wait until it is resumed, or end")
        .choices(onPauseChoices)
        .default("hold"),
    )
    .option(
      "--on-end <line>",
      "a line for sh to run when the run has ended, however it did; not remembered",
      shellLine,
    )
    .optionsGroup("What runs:")
    .option("--retry-failed", "also run the files again that failed")
    .addOption(
      new Option(
        "--rerun-if <what>",
        "also run the files again that changed since they were done, in any way",
      )
        .choices(["changed"])
        .conflicts("keepDone"),
    )
    .option("--keep-done", "for this once, keep the results of files that changed since they were done")
    .option("--depends <file...>", "files that the command depends on, such as a prompt", fileNames)
    .option("--no-depends", "do without the --depends files that the session remembers")
    .option("-n, --dry-run", "print the commands that would run, and change nothing")
    .option("--explain", "print for each file why it runs or is skipped")
    .optionsGroup("Output:")
    .option("-k, --keep-order", "print output in the order of the files, not in the order they finish")
    .option("--tag", "print the name of the file and a tab before each line of its output")
    .addOption(
      new Option("--progress [how]", "how to show progress on stderr; without HOW as a bar")
        .choices(progressModes)
        .preset("bar")
        .default("auto"),
    )
    .option("--results <directory>", "write all output to DIRECTORY/FILE/stdout and DIRECTORY/FILE/stderr")
    .option("--joblog <file>", "append a line for each file, with the columns of GNU parallel")
    .addOption(
      new Option("--output-limit <size>", "how much of each output stream to record: its beginning and end")
        .argParser(outputLimit)
        .default(16 * 1024, "16KiB"),
    )
    .optionsGroup("Options:")
    .option("-l, --label <key=value>", "label for the session; may be given several times", label)
    .addOption(
      new Option("--reconnect <duration>", "how long to try to reconnect to sessiond")
        .argParser(durationMs)
        .default(60_000, "60s"),
    );
}

function list(text: string, earlier: string[] | undefined): string[] {
  if (text === "") throw new InvalidArgumentError("A pattern cannot be empty.");
  return repeated(text, earlier);
}

function jobs(text: string): string {
  read(() => parseJobs(text, availableParallelism(), asManyAsPossible()));
  return text.trim();
}

function delay(text: string): number {
  if (text.endsWith("auto")) {
    throw new InvalidArgumentError(
      "Write a fixed time. A command that exits with 75 slows the run down by itself.",
    );
  }
  return secondsOrDuration(text);
}

function halt(text: string): Halt | undefined {
  return read(() => parseHalt(text));
}

function deferOn(text: string): readonly number[] {
  return read(() => parseDeferOn(text));
}

function outputLimit(text: string): number {
  const bytes = read(() => parseSize(text));
  if (bytes > maxOutputLimit)
    throw new InvalidArgumentError("At most 16MiB; to keep all of the output, use --results.");
  return bytes;
}

function budget(text: string, earlier: Budgets = new Map()): Budgets {
  const { key, max } = read(() => parseBudget(text));
  if (earlier.has(key)) throw new InvalidArgumentError(`The budget of ${key} is given twice.`);
  return new Map([...earlier, [key, max]]);
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof OptionError || error instanceof SizeError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}
