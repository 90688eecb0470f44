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

/** Paths of source files below a directory, relative to it, in a fixed order. */
export async function findSourceFiles(root: string, limit: number): Promise<string[]> {
  const found: string[] = [];
  async function visit(directory: string): Promise<void> {
    for (const entry of await readdir(join(root, directory), { withFileTypes: true })) {
      // Where tools keep caches, which come and go.
      if (entry.name.startsWith(".")) continue;
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory()) await visit(path);
      else if (entry.isFile() && sourceFile.test(entry.name)) found.push(path);
    }
  }
  await visit("");
  return found.sort().slice(0, limit);
}

/** Reads a file and measures it: what stands here for a long analysis. */
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
