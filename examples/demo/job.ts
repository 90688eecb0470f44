/**
 * What the run of the story works on: real source files, and a script that counts lines and TODOs in them.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

const installed = resolve(import.meta.dirname, "../../node_modules");
/** Of the files, in bytes. */
const [smallest, largest] = [1000, 60_000];
/** In bytes. The script fails for a file with a longer line. */
const longestLine = 1000;
const wellFormed = 198;
const withLongLines = 2;

export const script = `#!/bin/sh
echo "$1" >>started.log   # so that the demo sees which files ran twice
sleep 0.05                # a real analysis takes its time
LC_ALL=C exec awk '
  length > ${longestLine} { print "line " NR " is too long" >"/dev/stderr"; failed = 1; exit }
  /TODO/ { todos++ }
  END { if (failed) exit 1; printf "{\\"lines\\": %d, \\"todos\\": %d}\\n", NR, todos }' "$1"
`;

type Counts = { lines: number; todos: number };

export class Job {
  /** The names of all files, relative to the project. */
  readonly files: readonly string[];
  readonly #project: string;

  /** Copies source files of installed packages to `src/` of the project, and writes the script beside it. */
  constructor(project: string) {
    this.#project = project;
    const sources = readdirSync(installed, { recursive: true, encoding: "utf8" })
      .filter((path) => /^[^.].*\.js$/.test(path) && hasFittingSize(join(installed, path)))
      .sort()
      .map((path) => ({ path, counts: count(readFileSync(join(installed, path))) }));
    const chosen = [
      ...spread(
        sources.filter(({ counts }) => counts !== undefined),
        wellFormed,
      ),
      ...spread(
        sources.filter(({ counts }) => counts === undefined),
        withLongLines,
      ),
    ];
    this.files = chosen.map(({ path }) => `src/${path}`);
    for (const { path } of chosen) {
      mkdirSync(dirname(join(project, "src", path)), { recursive: true });
      copyFileSync(join(installed, path), join(project, "src", path));
    }
    writeFileSync(join(project, "count"), script, { mode: 0o755 });
  }

  /** The files whose command was started so far, in this order; a file that ran twice is there twice. */
  started(): string[] {
    const log = join(this.#project, "started.log");
    return existsSync(log) ? readFileSync(log, "utf8").split("\n").slice(0, -1) : [];
  }

  /** What the script must have found, counted without it. Undefined if it must have failed. */
  recount(file: string): Counts | undefined {
    return count(readFileSync(join(this.#project, file)));
  }
}

function hasFittingSize(path: string): boolean {
  const stats = statSync(path);
  return stats.isFile() && stats.size >= smallest && stats.size <= largest;
}

function count(content: Buffer): Counts | undefined {
  const lines = content.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  if (lines.some((line) => line.length > longestLine)) return undefined;
  return { lines: lines.length, todos: lines.filter((line) => line.includes("TODO")).length };
}

/** So many of the items, evenly spread over all of them. */
function spread<Item>(items: readonly Item[], number: number): Item[] {
  if (items.length < number) throw new Error(`there are only ${items.length} of ${number} source files`);
  return Array.from({ length: number }, (_, index) => {
    return items[Math.floor((index * items.length) / number)] as Item;
  });
}
