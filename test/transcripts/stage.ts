/** Plays transcripts: a home, a project in it, and terminals in which commands run. */
import { chmodSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type PseudoTerminal, pseudoTerminal } from "../cli/pseudo-terminal.ts";
import { unprepared } from "../support/set-up-nothing.ts";

const sessionctl = resolve(import.meta.dirname, "../../dist/sessionctl.js");

export interface Stage {
  readonly project: string;
  /** Writes a file of the project; one that begins with `#!` can be run. */
  write(name: string, content: string): Promise<void>;
  /** Makes a program that all commands find. */
  program(name: string, content: string): Promise<void>;
  /** Starts a command line in the project, on a terminal of its own. */
  start(line: string): Promise<PseudoTerminal>;
  /** The lines that a terminal has shown, with the paths that the pages use. */
  shown(terminal: PseudoTerminal): string[];
}

export async function stage(): Promise<Stage> {
  const { base } = await unprepared([]);
  const home = join(base, "home/me");
  const [project, bin] = [join(home, "project"), join(base, "bin")];
  for (const path of [project, bin]) await mkdir(path, { recursive: true });
  const program: Stage["program"] = async (name, content) => {
    await writeFile(join(bin, name), content);
    chmodSync(join(bin, name), 0o755);
  };
  await program("sessionctl", `#!/bin/sh\nexec '${process.execPath}' '${sessionctl}' "$@"\n`);
  const env = { HOME: home, TMPDIR: base, PATH: `${bin}:${dirname(process.execPath)}:${process.env.PATH}` };
  return {
    project,
    program,
    async write(name, content) {
      const path = join(project, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
      if (content.startsWith("#!")) chmodSync(path, 0o755);
    },
    start: (line) => pseudoTerminal(`cd '${project}' && ${line}`, { columns: 110, rows: 200, env }),
    shown(terminal) {
      // The first line names the terminal.
      const lines = terminal.screen.history.slice(1).map((line) => line.replaceAll(base, ""));
      while (lines.at(-1) === "") lines.pop();
      return lines;
    },
  };
}
