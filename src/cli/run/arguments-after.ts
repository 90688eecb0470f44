/**
 * Takes the files after the command, which GNU parallel separates by `:::` and lists of them by `::::`. Pure.
 */
import { usageError } from "../exit-code.ts";

export interface Words {
  readonly command: readonly string[];
  /** Files after `:::`; undefined without it. */
  readonly names: readonly string[] | undefined;
  /** Lists of files after `::::`. */
  readonly lists: readonly string[];
}

/** @throws CommandError for several lists, which GNU parallel would combine */
export function takeFilesAfter(words: readonly string[]): Words {
  const at = words.findIndex((word) => separator.test(word));
  if (at === -1) return { command: words, names: undefined, lists: [] };
  const [sign, ...rest] = words.slice(at) as [string, ...string[]];
  const other = rest.find((word) => separator.test(word));
  if (other !== undefined || sign.endsWith("+")) {
    throw usageError(
      `a command gets one file; ${other ?? sign} would combine two lists: write the combinations into one list`,
    );
  }
  if (rest.includes("")) throw usageError(`a file name after ${sign} is empty`);
  if (sign === "::::" && rest.length === 0) throw usageError("give a list of files after ::::");
  const command = words.slice(0, at);
  return sign === ":::" ? { command, names: rest, lists: [] } : { command, names: undefined, lists: rest };
}

const separator = /^::::?\+?$/;
