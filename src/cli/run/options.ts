/** The options of `run`, and how their texts are read. */
import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Halt, parseHalt } from "../../runner/halt.ts";
import { parseJobs } from "../../runner/jobs.ts";
import { OptionError } from "../../runner/option-error.ts";
import { parseSize, SizeError } from "../../text/size.ts";
import { durationMs, label, repeated, wholeNumber } from "../arguments.ts";
import { type ProgressMode, progressModes } from "../progress/display.ts";

export interface RunOptions {
  files?: string[];
  exclude?: string[];
  filesFrom?: string;
  null?: boolean;
  jobs: number;
  retries: number;
  halt?: Halt;
  retryFailed?: boolean;
  rerunIf?: "changed";
  dryRun?: boolean;
  explain?: boolean;
  keepOrder?: boolean;
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

const maxOutputLimit = 16 * 1024 * 1024;

export function addRunOptions(command: Command): Command {
  return command
    .option("--files <glob...>", "files to run for; quote patterns such as 'src/**/*.ts'", list)
    .option("--exclude <glob...>", "files that the patterns are not to find", list)
    .option("--files-from <file>", "files, one per line; - for standard input")
    .option("-0, --null", "those are separated by zero bytes, as find -print0 writes them")
    .addOption(
      new Option("-j, --jobs <number>", "commands at once: 4, 50%, +1 or -1 of the processors")
        .argParser(jobs)
        .default(availableParallelism(), "one per processor"),
    )
    .option("--retries <count>", "further attempts for a file that fails", wholeNumber(0), 0)
    .option("--timeout <duration>", "how long one attempt may take; then its process group is ended")
    .option("--halt <when>", "soon,fail=N or N%; now,…; also success= and done=", halt)
    .option("--retry-failed", "also run the files again that have failed")
    .addOption(
      new Option("--rerun-if <what>", "also run files again that have changed since").choices(["changed"]),
    )
    .option("-n, --dry-run", "print the commands that would run, and change nothing")
    .option("--explain", "say of each file why it runs or is skipped")
    .option("-k, --keep-order", "print output in the order of the files, not as they finish")
    .option("--shell", "the command is a line for sh, in which the file is quoted")
    .option("--cwd <directory>", "where commands run; else where the session was first run, else here")
    .option("--results <directory>", "write all output to DIRECTORY/FILE/stdout and stderr")
    .option("--joblog <file>", "add a line for each file, in the columns of GNU parallel")
    .addOption(
      new Option("--output-limit <size>", "output kept of each stream: its beginning and end")
        .argParser(outputLimit)
        .default(16 * 1024, "16KiB"),
    )
    .addOption(
      new Option("--progress <how>", "how to show progress on stderr").choices(progressModes).default("auto"),
    )
    .option("-l, --label <key=value>", "a label for the session; may be given several times", label)
    .addOption(
      new Option("--reconnect <duration>", "how long a daemon that is away is waited for")
        .argParser(durationMs)
        .default(60_000, "60s"),
    );
}

function list(text: string, earlier: readonly string[] | undefined): string[] {
  if (text === "") throw new InvalidArgumentError("A pattern cannot be empty.");
  return repeated(text, earlier);
}

function jobs(text: string): number {
  return read(() => parseJobs(text, availableParallelism()));
}

function halt(text: string): Halt | undefined {
  return read(() => parseHalt(text));
}

function outputLimit(text: string): number {
  const bytes = read(() => parseSize(text));
  if (bytes > maxOutputLimit) throw new InvalidArgumentError("At most 16MiB are kept; see --results.");
  return bytes;
}

function read<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof OptionError || error instanceof SizeError)) throw error;
    throw new InvalidArgumentError(`${error.message}.`);
  }
}
