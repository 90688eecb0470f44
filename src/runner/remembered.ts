/**
 * What a session remembers of its run: the command, the directory, and each option that shapes the work, by
 * the table {@link rows}. What is meant for one run only is not in it, nor is the display. Pure.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";
import { isCommand, isDirectory, type RunChanges } from "../session/run-memory.ts";
import { SizeError } from "../text/size.ts";
import { DurationError } from "../time/duration.ts";
import { type Budgets, mergeBudgets, readBudgets, writeBudgets } from "./budget.ts";
import { formatDeferOn, parseDeferOn } from "./defer-on.ts";
import { formatHalt, type Halt, parseHalt } from "./halt.ts";
import { parseJobs } from "./jobs.ts";
import { OptionError } from "./option-error.ts";
import {
  choice,
  count,
  duration,
  type Kind,
  list,
  size,
  text,
  textOf,
  textOrNumber,
} from "./remembered-values.ts";
import { maxOutputLimit, onPauseChoices } from "./runner-options.ts";
import type { Template } from "./template.ts";

interface Row<T> extends Kind<T> {
  /** Its key in the session's `run`. As an option it has dashes: `retry_delay` is `--retry-delay`. */
  readonly key: string;
}

function row<T>(key: string, kind: Kind<T>): Row<T> {
  return { key, ...kind };
}

/**
 * The options that are remembered, by their names in the program. To add an option, add a line. An option
 * that takes several values is remembered as an array, one with pairs as an object, and a flag as true.
 */
const rows = {
  jobs: row("jobs", text(checkJobs)),
  delay: row("delay", duration),
  retries: row("retries", count),
  retryDelay: row("retry_delay", duration),
  deferOn: row<readonly number[]>("defer_on", {
    read: (value) => parseDeferOn(textOrNumber(value)),
    write: formatDeferOn,
  }),
  maxDefer: row("max_defer", duration),
  timeout: row("timeout", duration),
  halt: row<Halt>("halt", { read: (value) => haltOf(textOf(value)), write: formatHalt }),
  depends: row("depends", list),
  onPause: row("on_pause", choice(onPauseChoices)),
  budget: row<Budgets>("budget", { read: readBudgets, write: writeBudgets, merge: mergeBudgets }),
  outputLimit: row("output_limit", size(maxOutputLimit)),
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
    const { write } = rows[name] as Row<unknown>;
    const option = optionFor(name);
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
  return `--${rows[name].key.replaceAll("_", "-")}`;
}

/** @throws OptionError */
function checkJobs(jobs: string): void {
  parseJobs(jobs, 1, 1);
}

function haltOf(text: string): Halt {
  const halt = parseHalt(text);
  if (halt === undefined) throw new OptionError('"never" is not remembered');
  return halt;
}
