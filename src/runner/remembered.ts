/**
 * What a session remembers of its run: the command, the directory, and each option that shapes the work, by
 * the table {@link rows}. What is meant for one run only is not in it, nor is the display. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";
import { plainNumber } from "../json/exact-number.ts";
import { isCommand, isDirectory, type RunChanges } from "../session/run-memory.ts";
import { formatExactSize, parseSize, SizeError } from "../text/size.ts";
import { DurationError, formatDuration, parseDuration } from "../time/duration.ts";
import { type Budgets, mergeBudgets, readBudgets, writeBudgets } from "./budget.ts";
import { formatDeferOn, parseDeferOn } from "./defer-on.ts";
import { formatHalt, type Halt, parseHalt } from "./halt.ts";
import { parseJobs } from "./jobs.ts";
import { OptionError } from "./option-error.ts";
import { maxOutputLimit, onPauseChoices } from "./runner-options.ts";
import type { Template } from "./template.ts";

/** How an option is remembered. */
interface Row<T> {
  /** Its key in the session's `run`. */
  readonly key: string;
  /** As it is written on the command line. */
  readonly option: string;
  /** The value of the option from what is remembered. @throws OptionError */
  read(remembered: JsonValue): T;
  /** What to remember of a value of the option. */
  write(value: T): JsonValue;
  /** Joins what is given with what is remembered, if the one does not take the place of the other. */
  merge?(before: T | undefined, now: T): T;
}

/**
 * The options that are remembered, by their names in the program. To add an option, add a line. An option
 * that takes several values is remembered as an array, one with pairs as an object, and a flag as true.
 */
const rows = {
  jobs: text("jobs", "--jobs", (jobs) => parseJobs(jobs, 1, 1)),
  delay: duration("delay", "--delay"),
  retries: count("retries", "--retries"),
  retryDelay: duration("retry_delay", "--retry-delay"),
  deferOn: {
    key: "defer_on",
    option: "--defer-on",
    read: (value) => parseDeferOn(typeof value === "number" ? String(value) : textOf(value)),
    write: formatDeferOn,
  } satisfies Row<readonly number[]>,
  maxDefer: duration("max_defer", "--max-defer"),
  timeout: duration("timeout", "--timeout"),
  halt: {
    key: "halt",
    option: "--halt",
    read: (value) => haltOf(textOf(value)),
    write: formatHalt,
  } satisfies Row<Halt>,
  depends: list("depends", "--depends"),
  onPause: choice("on_pause", "--on-pause", onPauseChoices),
  budget: {
    key: "budget",
    option: "--budget",
    read: readBudgets,
    write: writeBudgets,
    merge: mergeBudgets,
  } satisfies Row<Budgets>,
  outputLimit: size("output_limit", "--output-limit", maxOutputLimit),
};

type Rows = typeof rows;
export type RememberedName = keyof Rows;
type Value<R> = R extends Row<infer T> ? T : never;
/** The values of the options that are remembered. */
export type RememberedOptions = { readonly [Name in RememberedName]?: Value<Rows[Name]> };

export const rememberedNames = Object.keys(rows) as RememberedName[];

export interface Remembered {
  readonly template: Template | undefined;
  /** Absolute. */
  readonly directory: string | undefined;
  readonly options: RememberedOptions;
  /** What cannot be used, by the name of the option, or `command` or `directory`: the reason. */
  readonly problems: ReadonlyMap<string, string>;
}

/** Reads the key `run` of a session, which may hold anything. */
export function readRun(run: JsonValue | undefined): Remembered {
  const problems = new Map<string, string>();
  if (run !== undefined && !isJsonObject(run)) problems.set("command", "run is not an object");
  const memory: JsonObject = isJsonObject(run) ? run : {};
  const at = (key: string) => (Object.hasOwn(memory, key) ? memory[key] : undefined);
  const options: Record<string, unknown> = {};
  for (const name of rememberedNames) {
    const { key, read } = rows[name];
    const value = at(key);
    if (value === undefined) continue;
    try {
      options[name] = read(value);
    } catch (error) {
      if (!(error instanceof OptionError || error instanceof DurationError || error instanceof SizeError))
        throw error;
      problems.set(name, `run.${key}: ${error.message}`);
    }
  }
  const [command, directory] = [at("command"), at("directory")];
  if (command !== undefined && !isCommand(command)) {
    problems.set("command", "run.command is not a list of words");
  }
  const shell = at("shell");
  if (shell !== undefined && typeof shell !== "boolean") {
    problems.set("command", "run.shell is neither true nor false");
  }
  if (directory !== undefined && !isDirectory(directory)) {
    problems.set("directory", "run.directory is not an absolute path");
  }
  return {
    template:
      isCommand(command) && !problems.has("command") ? { words: command, shell: shell === true } : undefined,
    directory: isDirectory(directory) ? directory : undefined,
    options,
    problems,
  };
}

/** What a run was given, and is to be remembered from now on. An option without a value is forgotten. */
export interface Given {
  readonly template?: Template | undefined;
  readonly directory?: string | undefined;
  readonly options: { readonly [Name in RememberedName]?: Value<Rows[Name]> | undefined };
}

/** The changes of the key `run`. */
export function runChanges({ template, directory, options }: Given): NonNullable<RunChanges> {
  const changes: Record<string, JsonValue> = {};
  if (template !== undefined) {
    changes.command = template.words;
    changes.shell = template.shell ? true : null;
  }
  if (directory !== undefined) changes.directory = directory;
  for (const name of rememberedNames) {
    if (!Object.hasOwn(options, name)) continue;
    const { key, write } = rows[name] as Row<unknown>;
    const value = options[name];
    const written = value === undefined ? null : write(value);
    changes[key] = isJsonObject(written) && Object.keys(written).length === 0 ? null : written;
  }
  return changes;
}

/** The options as words of a command line. */
export function optionWords(options: RememberedOptions): string[] {
  return rememberedNames.flatMap((name) => {
    const { option, write } = rows[name] as Row<unknown>;
    const value = options[name];
    if (value === undefined) return [];
    const written = write(value);
    if (written === true) return [option];
    if (isJsonObject(written))
      return Object.entries(written).flatMap(([of, one]) => [option, `${of}=${one}`]);
    return [option, ...(Array.isArray(written) ? written : [written]).map(String)];
  });
}

/** The value of an option that is given, beside what is remembered of it. */
export function joinedValue(name: RememberedName, before: unknown, now: unknown): unknown {
  const { merge } = rows[name] as Row<unknown>;
  return merge === undefined || now === undefined ? now : merge(before, now);
}

/** The option as it is written on the command line. */
export function optionFor(name: RememberedName): string {
  return rows[name].option;
}

function text(key: string, option: string, check: (text: string) => unknown): Row<string> {
  return {
    key,
    option,
    read: (value) => {
      const read = typeof value === "number" ? String(value) : textOf(value);
      check(read);
      return read;
    },
    write: (value) => value,
  };
}

function count(key: string, option: string): Row<number> {
  return {
    key,
    option,
    read: (value) => {
      const number = plainNumber(value);
      if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
      throw new OptionError("it must be a whole number, 0 or more");
    },
    write: (value) => value,
  };
}

function choice<T extends string>(key: string, option: string, choices: readonly T[]): Row<T> {
  return {
    key,
    option,
    read: (value) => {
      const chosen = choices.find((one) => one === value);
      if (chosen !== undefined) return chosen;
      throw new OptionError(`it must be ${choices.join(" or ")}`);
    },
    write: (value) => value,
  };
}

/** In milliseconds. */
function duration(key: string, option: string): Row<number> {
  return { key, option, read: (value) => parseDuration(textOf(value)), write: formatDuration };
}

/** In bytes. */
function size(key: string, option: string, most: number): Row<number> {
  return {
    key,
    option,
    read: (value) => {
      const bytes = parseSize(textOf(value));
      if (bytes <= most) return bytes;
      throw new OptionError(`it must be at most ${formatExactSize(most)}`);
    },
    write: formatExactSize,
  };
}

function list(key: string, option: string): Row<readonly string[]> {
  return {
    key,
    option,
    read: (value) => {
      if (Array.isArray(value) && value.length > 0) return value.map(textOf);
      throw new OptionError("it must be a list");
    },
    write: (value) => value,
  };
}

function textOf(value: JsonValue): string {
  if (typeof value === "string") return value;
  throw new OptionError("it must be a text");
}

function haltOf(text: string): Halt {
  const halt = parseHalt(text);
  if (halt === undefined) throw new OptionError('"never" is not remembered');
  return halt;
}
