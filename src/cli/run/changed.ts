/** Asks about done files that have changed since: says which, and refuses a run that gives no answer. */
import type { ChangedSince } from "../../runner/done.ts";
import { commandHash, type Template } from "../../runner/template.ts";
import type { Output } from "../output.ts";
import { safe } from "../terminal-text.ts";
import { shownCommand } from "./memory.ts";
import { someNames } from "./skipped-lines.ts";

/** An option that keeps the results of files that have changed. */
export type KeepOption = "--keep-done" | "--retry-failed";

export interface Question {
  /** The option that says what becomes of files that have changed; undefined refuses the run. */
  readonly answer: "--rerun-if changed" | KeepOption | undefined;
  /** Whether every file has been explained already. */
  readonly isExplained: boolean | undefined;
  readonly command: Template;
  /** The command of the last run, if the session remembers one. */
  readonly last: Template | undefined;
}

type Wording = readonly [one: string, many: string];

const has = {
  content: ["has changed", "have changed"],
  command: ["is by another command", "are by another command"],
  depends: [
    "is from before a change of the --depends files",
    "are from before a change of the --depends files",
  ],
} as const satisfies Record<string, Wording>;

const runAgain: Wording = [", and runs again", ", and run again"];
const keep: Wording = [", and keeps its result", ", and keep their results"];

const remedy = [
  "nothing was started; to run them again, add --rerun-if changed",
  "to keep their results for this once, add --keep-done",
];
const rerunToo = "to run them again too, add --rerun-if changed";
const showAll = "to see which files and why, add --dry-run --explain";

/** False if the run is refused. Says how many files have changed in which way, each with the first names. */
export function askAboutChanged(out: Output, changed: ChangedSince, question: Question): boolean {
  const { answer, isExplained, command, last } = question;
  const lines = linesOf(changed, question);
  for (const line of lines) {
    if (answer === undefined) out.complain(line);
    else out.say(line);
  }
  if (lines.length === 0) return true;
  // This option says nothing of done files.
  if (answer === "--retry-failed") out.say(rerunToo);
  if (answer !== undefined) return true;
  if (changed.command.length > 0 && last !== undefined && commandHash(last) !== commandHash(command)) {
    out.say(`the last command was: ${safe(shownCommand(last))}`);
  }
  for (const line of isExplained ? remedy : [...remedy, showAll]) out.say(line);
  return false;
}

/** The option that kept results of changed files; undefined if there are none. */
export function keptBy(changed: ChangedSince, answer: Question["answer"]): KeepOption | undefined {
  const isAny = changed.content.length + changed.command.length + changed.depends.length > 0;
  return isAny && answer !== "--rerun-if changed" ? answer : undefined;
}

function linesOf(changed: ChangedSince, { answer, isExplained }: Question): string[] {
  // A refusal says it in a line of its own.
  const howToSeeAll = answer === undefined || isExplained ? "" : undefined;
  return (["content", "command", "depends"] as const).flatMap((way) => {
    const { length } = changed[way];
    if (length === 0) return [];
    const form = length === 1 ? 0 : 1;
    const what = `${length} of ${changed.done} done ${changed.done === 1 ? "file" : "files"} ${has[way][form]}`;
    const next = answer === undefined ? "" : (answer === "--rerun-if changed" ? runAgain : keep)[form];
    // Of another command or prompt it is usually all.
    return [way === "content" ? `${what}${next}: ${someNames(changed[way], howToSeeAll)}` : `${what}${next}`];
  });
}
