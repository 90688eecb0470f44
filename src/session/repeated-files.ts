/**
 * Finds files that a request names twice: a file is in one list, once. In slices, because the lists may be
 * long.
 */
import { eachInSlices } from "../async/slices.ts";
import type { Issue } from "../error.ts";
import { NameMap } from "./name-map.ts";

export interface Repeated {
  count: number;
  /** The first of them, each with its place. */
  issues: Issue[];
}

const maxIssues = 50;

/** `lists` are file lists by their names. */
export async function repeatedFiles(lists: Readonly<Record<string, readonly string[]>>): Promise<Repeated> {
  const repeated: Repeated = { count: 0, issues: [] };
  const seen = new NameMap<true>();
  let total = 0;
  for (const files of Object.values(lists)) {
    total += files.length;
    await eachInSlices(files, (file) => seen.set(file, true));
  }
  if (seen.size === total) return repeated;
  const listOf = new NameMap<string>();
  for (const [list, files] of Object.entries(lists)) {
    let at = 0;
    await eachInSlices(files, (file) => {
      const earlier = listOf.get(file);
      if (earlier === undefined) listOf.set(file, list);
      else if (repeated.count++ < maxIssues)
        repeated.issues.push({ path: `${list}[${at}]`, message: problemOf(file, list, earlier) });
      at++;
    });
  }
  return repeated;
}

function problemOf(file: string, list: string, earlier: string): string {
  const name = JSON.stringify(file.length > 200 ? `…${file.slice(-200)}` : file);
  return earlier === list
    ? `${name} is in ${list} twice; name each file once`
    : `${name} is in ${earlier} too; name each file in one list only`;
}
