/** Shows what a run would do, and why. */
import { argumentFor } from "../../runner/dashed.ts";
import type { Selection } from "../../runner/selection.ts";
import { commandFor, commandLine, type Template } from "../../runner/template.ts";
import type { Context } from "../context.ts";
import { counted } from "../count.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { jsonText } from "../output.ts";
import { safe } from "../terminal-text.ts";
import type { LeftToLookAt } from "./left-to-look-at.ts";
import type { RunOptions } from "./options.ts";
import { choiceLine, type Explained } from "./shown.ts";
import { reasonOf } from "./skipped-lines.ts";
import type { Given } from "./sources.ts";

/** Prints a line for each file and for each name that is skipped, with the reason. */
export function explain(
  { out, process }: Context,
  { dryRun }: RunOptions,
  selection: Selection,
  given: Given | undefined,
): void {
  const toTerminal = process.stderr.isTTY === true;
  const tell = (choice: Explained) => {
    // Standard output is for the output of the commands.
    if (dryRun) out.data(choiceLine(choice, out));
    else process.stderr.write(`${choiceLine(choice, { json: out.json, toTerminal })}\n`);
  };
  for (const choice of selection.choices()) tell(choice);
  for (const { names, remark } of given?.notes ?? []) {
    for (const file of names) tell({ file, action: "note", reason: remark(file) });
  }
  for (const one of given?.skipped ?? []) {
    // A pattern that matches nothing is no file.
    if (one.why !== "no-match") tell({ file: one.name, action: "skip", reason: reasonOf(one) });
  }
}

/** Prints the commands that would run, unless they have been explained. */
export function dryRun(
  { out }: Context,
  options: RunOptions,
  selection: Selection,
  template: Template,
  cwd: string,
  left: LeftToLookAt | undefined,
): ExitCode {
  if (!options.explain) {
    for (const file of selection.files) {
      const command = commandFor(template, argumentFor(file, cwd));
      if (out.json) out.data(jsonText({ file, command }, 0));
      else out.value(commandLine(command));
    }
  }
  out.say(`${counted(selection.files.length, "file")} would run; nothing was changed`);
  if (left === undefined) return exitCodes.ok;
  out.complain(safe(left.reason));
  return exitCodes.failed;
}
