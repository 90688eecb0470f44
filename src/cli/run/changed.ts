/** Says which done files have changed since, and refuses a run that was not told what to do with them. */
import type { ChangedSince } from "../../runner/done.ts";
import { commandHash, type Template } from "../../runner/template.ts";
import type { Output } from "../output.ts";
import { safe } from "../terminal-text.ts";
import { shownCommand } from "./memory.ts";
import { someNames } from "./skipped-lines.ts";

export interface Telling {
  /** What becomes of the files that have changed since they were done; undefined if nobody has said. */
  readonly onChanged: "rerun" | "keep" | undefined;
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

const become: Readonly<Record<"rerun" | "keep", Wording>> = {
  rerun: [", and runs again", ", and run again"],
  keep: [", and keeps its result", ", and keep their results"],
};

const remedy = [
  "nothing was started; to run them again, add --rerun-if changed",
  "to keep their results for this once, add --keep-done",
];
const showAll = "to see which files and why, add --dry-run --explain";

/** Whether the run may go on. Says how many files have changed in which way, each with the first names. */
export function tellOfChanged(out: Output, changed: ChangedSince, telling: Telling): boolean {
  const { onChanged, isExplained, command, last } = telling;
  const lines = linesOf(changed, onChanged);
  for (const line of lines) {
    if (onChanged === undefined) out.complain(line);
    else out.say(line);
  }
  if (lines.length === 0 || onChanged !== undefined) return true;
  if (changed.command.length > 0 && last !== undefined && commandHash(last) !== commandHash(command)) {
    out.say(`the last command was: ${safe(shownCommand(last))}`);
  }
  for (const line of isExplained ? remedy : [...remedy, showAll]) out.say(line);
  return false;
}

function linesOf(changed: ChangedSince, then: Telling["onChanged"]): string[] {
  return (["content", "command", "depends"] as const).flatMap((way) => {
    const { length } = changed[way];
    if (length === 0) return [];
    const form = length === 1 ? 0 : 1;
    const what = `${length} of ${changed.done} done ${changed.done === 1 ? "file" : "files"} ${has[way][form]}`;
    const next = then === undefined ? "" : become[then][form];
    // Of another command or prompt it is usually all.
    return [way === "content" ? `${what}${next}: ${someNames(changed[way])}` : `${what}${next}`];
  });
}
