/**
 * The files that every command of a run depends on, such as a prompt or a configuration. Their digest is part
 * of each result, so that a later run can tell whether they have changed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import { getSystemErrorMap } from "node:util";
import { isGone } from "../find/skipped.ts";
import { shortDigest } from "./digest.ts";
import { type Fingerprint, takeFingerprint } from "./fingerprint.ts";
import { OptionError } from "./option-error.ts";

interface Dependency {
  /** Relative to the directory of the run, so that the directory may be moved. */
  readonly name: string;
  readonly path: string;
  print: Fingerprint;
}

export class Depends {
  readonly #files: readonly Dependency[];

  private constructor(files: readonly Dependency[]) {
    this.#files = files;
  }

  /**
   * Reads the files, whose names are relative to `cwd`. Order, repetition and spelling of the names do not
   * matter. Undefined if there are none.
   *
   * @throws OptionError if one is no regular file or cannot be read
   */
  static async read(names: readonly string[], cwd: string): Promise<Depends | undefined> {
    const paths = [...new Set(names.map((name) => resolve(cwd, name)))].sort();
    const files: Dependency[] = [];
    for (const path of paths) {
      const print = await takeFingerprint(path, { alwaysHash: true });
      if (print?.sha256 === undefined) throw new OptionError(`${path} ${problemOf(path)}`);
      files.push({ name: relative(cwd, path), path, print });
    }
    return files.length === 0 ? undefined : new Depends(files);
  }

  /**
   * The digest of the names and of their content now. Content is read again only if the times of its file do
   * not show that it is the same. A file that is gone for a moment, as while an editor saves it, counts as it
   * was.
   */
  async hash(): Promise<string> {
    for (const file of this.#files) {
      const print = await takeFingerprint(file.path, { alwaysHash: true, earlier: file.print });
      if (print?.sha256 !== undefined) file.print = print;
    }
    return shortDigest(this.#files.map(({ name, print }) => [name, print.sha256]));
  }
}

function problemOf(path: string): string {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return "is a directory; name the files in it";
    if (!stats.isFile()) return "is not a regular file";
    accessSync(path, constants.R_OK);
    return "cannot be read";
  } catch (error) {
    if (isGone(error)) return "does not exist";
    const { errno = 0, message } = error as NodeJS.ErrnoException;
    return `cannot be read: ${getSystemErrorMap().get(errno)?.[1] ?? message}`;
  }
}
