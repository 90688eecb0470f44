/** Protects files whose names begin with a dash, which a command would take for options. */
import { lstatSync } from "node:fs";
import { resolve } from "node:path";

/**
 * How a command is given the file: `./-n` for a file `-n`. A name of nothing that exists stays as it is,
 * since it may be a number or a word from a list.
 */
export function argumentFor(file: string, cwd: string): string {
  return file.startsWith("-") && isThere(resolve(cwd, file)) ? `./${file}` : file;
}

function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
