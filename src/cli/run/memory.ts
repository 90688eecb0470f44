/** Joins what the command line gives with what the session remembers. What is given wins. */
import {
  joinedValue,
  optionFor,
  optionWords,
  type Remembered,
  type RememberedOptions,
  rememberedNames,
  runChanges,
} from "../../runner/remembered.ts";
import { type Template, templateText } from "../../runner/template.ts";
import type { RunChanges } from "../../session/run-memory.ts";
import { shownWord } from "../../text/shell-quote.ts";
import { usageError } from "../exit-code.ts";
import { truncate } from "../terminal-text.ts";
import type { RunOptions } from "./options.ts";

export const giveCommand = "give the command at the end, after --, such as: -- node --check {}";
/** A longer command is cut where people are shown it. */
const longestCommand = 2000;

export interface Joined {
  readonly template: Template;
  readonly options: RunOptions;
  /** What the session is to remember from now on, except for the directory. */
  readonly changes: NonNullable<RunChanges>;
  /** The options that the command line does not give. */
  readonly fromBefore: RememberedOptions;
  /** Whether the command is the one that the session remembers. */
  readonly isCommandFromBefore: boolean;
}

export interface GivenWords {
  /** Undefined for a session without an id. */
  readonly id: string | undefined;
  /** The words of the command; empty if none is given. */
  readonly words: readonly string[];
  readonly options: RunOptions;
  /** The names of the options that the command line gives. */
  readonly given: ReadonlySet<string>;
}

/** @throws CommandError (usage) if there is no command, or if something cannot be used that is not given */
export function join({ id, words, options, given }: GivenWords, remembered: Remembered): Joined {
  const template = templateOf(id, words, options, remembered);
  const fromBefore: Record<string, unknown> = {};
  const asGiven: Record<string, unknown> = {};
  for (const name of rememberedNames) {
    // Each of the runs that share a session has its own.
    if (name === "jobs" && options.share) continue;
    const problem = remembered.problems.get(name);
    if (given.has(name))
      asGiven[name] = joinedValue(name, remembered.options[name], givenValue(options[name]));
    else if (problem !== undefined) throw unusable(id, problem, optionFor(name));
    else if (remembered.options[name] !== undefined) fromBefore[name] = remembered.options[name];
  }
  const isNew = words.length > 0 || options.shell === true;
  return {
    template,
    options: { ...options, ...fromBefore, ...asGiven },
    changes: runChanges({ template: isNew ? template : undefined, options: asGiven }),
    fromBefore,
    isCommandFromBefore: words.length === 0,
  };
}

/** `--no-depends` gives `false`, so that the option is forgotten. */
function givenValue(given: unknown): unknown {
  return given === false ? undefined : given;
}

function templateOf(
  id: string | undefined,
  words: readonly string[],
  { shell = false }: RunOptions,
  { template, problems }: Remembered,
): Template {
  if (words.length > 0) return { words, shell };
  if (template !== undefined) return shell ? { ...template, shell } : template;
  const problem = problems.get("command");
  if (problem !== undefined) throw unusable(id, problem, "the command at the end, after --");
  throw usageError(`"${id}" remembers no command; ${giveCommand}`);
}

export interface Place {
  /** Where the command runs. */
  readonly cwd: string;
  readonly remembered: Remembered;
  /** The working directory of the run; undefined if it is gone. */
  readonly here: string | undefined;
}

/** What is remembered and is used, in words: the command and its directory, and the options. */
export function rememberedLines(joined: Joined, { cwd, remembered, here }: Place): string[] {
  const options = optionWords(joined.fromBefore).map(shownWord).join(" ");
  if (joined.isCommandFromBefore) {
    return [
      `going on with: ${shownCommand(joined.template)}`,
      `in ${cwd}${options === "" ? "" : `, with ${options}`}`,
    ];
  }
  const isFromBefore = joined.options.cwd === undefined && remembered.directory !== undefined;
  return [
    ...(isFromBefore && cwd !== here
      ? [`running in ${cwd}, as in the earlier run (to change that: --cwd)`]
      : []),
    ...(options === "" ? [] : [`with ${options}, as in the earlier run`]),
  ];
}

/** As one line, of which the end of a very long one is missing. */
export function shownCommand(template: Template): string {
  return truncate(templateText(template), longestCommand);
}

function unusable(id: string | undefined, problem: string, option: string): Error {
  return usageError(`what "${id}" remembers of its run cannot be used: ${problem}; give ${option}`);
}
