/** Finds source files and measures them. The measuring stands for a long analysis. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const sourceFile = /\.(?:js|mjs|cjs|ts)$/;

/** The result of a file. */
export type Measurement = {
  bytes: number;
  lines: number;
  /** In characters. */
  longest_line: number;
  todos: number;
  sha256: string;
};

/** The sorted paths of source files below a directory, relative to it. */
export async function findSourceFiles(root: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  async function visit(directory: string): Promise<void> {
    for (const entry of await readdir(join(root, directory), { withFileTypes: true })) {
      // Tools keep caches there, which may change during the demo.
      if (entry.name.startsWith(".")) continue;
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      else if (entry.isFile() && sourceFile.test(entry.name)) found.push(path);
    }
  }
  await visit("");
  return found.sort().slice(0, limit);
}

/** Reads a file and measures it. */
export async function measure(path: string): Promise<Measurement> {
  const content = await readFile(path);
  const text = content.toString("utf8");
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return {
    bytes: content.length,
    lines: lines.length,
    longest_line: lines.reduce((longest, line) => Math.max(longest, line.length), 0),
    todos: text.match(/\bTODO\b/g)?.length ?? 0,
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}
