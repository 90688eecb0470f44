/**
 * What `--share` demands of a run: that all who share a session do the same work. It also has the words about
 * the others.
 */
import { resolve } from "node:path";
import type { JsonValue } from "../../json/exact-json.ts";
import { writeBudgets } from "../../runner/budget.ts";
import { type Remembered, readRun } from "../../runner/remembered.ts";
import { commandHash, type Template } from "../../runner/template.ts";
import { shownWord } from "../../text/shell-quote.ts";
import { type CommandError, usageError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { type Joined, shownCommand } from "./memory.ts";

/** What all runs have in common that share a session. */
export interface CommonWork {
  readonly template: Template;
  /** Absolute. */
  readonly directory: string;
  readonly depends: readonly string[];
}

/** @throws CommandError (usage) if a run with these options cannot share its session */
export function checkShareable({ options, fromBefore }: Joined): void {
  const { budget } = options;
  if (budget === undefined || budget.size === 0) return;
  const keys = Object.keys(writeBudgets(budget) as object);
  const why =
    "--budget does not go with --share: runs that share a session do not know what the others spend";
  if (fromBefore.budget === undefined) throw usageError(`${why}; leave one of them out`);
  const none = keys.map((key) => `--budget ${shownWord(`${key}=none`)}`).join(" ");
  throw usageError(`${why}; the session remembers one: to do without it, add ${none}`);
}

/**
 * @param run the key `run` of the session
 * @throws CommandError (usage) that names the difference if the others do another work
 */
export function checkAgreement(id: string, run: JsonValue | undefined, own: CommonWork): void {
  const difference = differenceOf(readRun(run), own);
  if (difference !== undefined) throw disagreement(id, difference);
}

function differenceOf({ template, directory, options }: Remembered, own: CommonWork): string | undefined {
  if (template !== undefined && commandHash(template) !== commandHash(own.template)) {
    return `the others run ${safe(shownCommand(template))}, and this run has ${safe(shownCommand(own.template))}`;
  }
  if (directory !== undefined && directory !== own.directory) {
    return `the others run in ${safe(directory)}, and this run in ${safe(own.directory)}`;
  }
  const [theirs, ours] = [options.depends ?? [], own.depends];
  // Without a command nobody has begun, so that nothing is agreed on.
  if (template === undefined || pathsOf(theirs, own) === pathsOf(ours, own)) return undefined;
  return `the others have ${dependsText(theirs)}, and this run has ${dependsText(ours)}`;
}

function disagreement(id: string, difference: string): CommandError {
  return usageError(
    `"${safe(id)}" is shared, and all who share it do the same work: ${difference}; ` +
      "to join them, leave command, --cwd and --depends out",
  );
}

function pathsOf(names: readonly string[], { directory }: CommonWork): string {
  return JSON.stringify([...new Set(names.map((name) => resolve(directory, name)))].sort());
}

function dependsText(names: readonly string[]): string {
  return names.length === 0 ? "no --depends" : `--depends ${names.map(shownWord).join(" ")}`;
}

/** `1 other worker`, `3 other workers` */
export function othersText(count: number): string {
  return `${count} other ${count === 1 ? "worker" : "workers"}`;
}
