/** Runs the transcripts of a page one after another, and compares what they print with the page. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect } from "vitest";
import type { PseudoTerminal } from "../cli/pseudo-terminal.ts";
import { eventually } from "../support/eventually.ts";
import { masked, withoutGap } from "./masks.ts";
import { blocksOf, isTranscript, typedIn } from "./page.ts";
import { type Stage, stage } from "./stage.ts";

const root = resolve(import.meta.dirname, "../..");

export const ctrlC = "\x03";

/** What the transcripts of one page need. */
export interface Scene {
  /** Makes the files that they are about. */
  prepare?(stage: Stage): Promise<void>;
  /** What happens before a command, for the commands in which the text occurs. */
  before?: Readonly<Record<string, (stage: Stage) => Promise<unknown>>>;
  /** What happens while a command runs. */
  during?: Readonly<Record<string, (stage: Stage, terminal: PseudoTerminal) => Promise<unknown>>>;
  /** Keys that are typed then, when the screen shows something. */
  keys?: Readonly<Record<string, { when: RegExp; type: string }>>;
  /** Numbers in its transcripts that differ from run to run. */
  masks?: readonly RegExp[];
}

export async function play(page: string, scene: Scene): Promise<void> {
  const onStage = await stage();
  await scene.prepare?.(onStage);
  const blocks = blocksOf(readFileSync(join(root, page), "utf8")).filter(isTranscript);
  for (const { number, lines } of blocks) {
    for (const { command, output } of typedIn({ number, lines })) {
      await of(scene.before, command)?.(onStage);
      const terminal = await onStage.start(command);
      await of(scene.during, command)?.(onStage, terminal);
      const keys = of(scene.keys, command);
      if (keys !== undefined) {
        await eventually(() => expect(terminal.screen.text).toMatch(keys.when));
        terminal.type(keys.type);
      }
      const code = await terminal.exited;
      // A terminal shows the key, unless the bar takes its place.
      const comparable = (lines: readonly string[]) =>
        lines.filter((line) => line !== "^C").map((line) => masked(line, scene.masks));
      const shown = onStage.shown(terminal);
      const where = `${page}:${number}: ${command}\n${shown.join("\n")}\n`;
      if (output.length === 0) expect(code, where).toBe(keys?.type === ctrlC ? 130 : 0);
      else {
        expect(output.includes("^C"), where).toBe(keys?.type === ctrlC);
        const printed = comparable(shown);
        expect(printed, where).toEqual(withoutGap(comparable(output), printed));
      }
    }
  }
}

/** The entry for the first text that occurs in the command. */
function of<Entry>(entries: Readonly<Record<string, Entry>> = {}, command: string): Entry | undefined {
  return Object.entries(entries).find(([text]) => command.includes(text))?.[1];
}
