/** Finds the files that a command line names, by patterns and in lists, and says what is skipped. */
import { Excludes } from "../../find/excludes.ts";
import { findFiles } from "../../find/find-files.ts";
import { PatternError } from "../../find/pattern-error.ts";
import { isUnseen, type Skipped } from "../../find/skipped.ts";
import { distinct, Spellings } from "../../find/spelling.ts";
import { CommandError, usageError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import {
  excludedNote,
  linkNote,
  listNotes,
  lookAt,
  type Note,
  noteLine,
  spellingNotes,
} from "./name-notes.ts";
import { skippedLines, someNames, withReason } from "./skipped-lines.ts";

export interface Sources {
  /** Undefined if the command line has no patterns. */
  readonly patterns: readonly string[] | undefined;
  /** Names from a list. */
  readonly listed: readonly string[];
  readonly exclude: readonly string[];
  /** Whether to enter directories behind links. */
  readonly follow: boolean;
  /** The directory that names and patterns are relative to. */
  readonly cwd: string;
  /** The files of the session. */
  readonly processed: readonly string[];
  readonly pending: readonly string[];
}

export interface Given {
  /** Each file once: as the session names it, else as it was named first. */
  readonly names: readonly string[];
  readonly notes: readonly Note[];
  readonly skipped: readonly Skipped[];
  /** For each pattern what could not be looked at, in words; undefined if nothing. */
  readonly unseen: ReadonlyMap<string, string | undefined>;
}

export interface Say {
  say(line: string): void;
  complain(line: string): void;
}

/**
 * The files, sorted within each pattern, then those of the list.
 *
 * @throws CommandError if a pattern means nothing, or if there is no file at all
 */
export async function filesGiven(sources: Sources, out: Say): Promise<Given> {
  const { patterns = [], listed, exclude, cwd, follow, processed, pending } = sources;
  const excludes = reading("--exclude", () => new Excludes(exclude, cwd));
  const found: string[] = [];
  const links = new Set<string>();
  // Several patterns may come by the same place.
  const places = new Map<string, Skipped>();
  const unseen = new Map<string, string | undefined>();
  for (const pattern of patterns) {
    const search = { pattern, cwd, excludes, follow };
    const finds = await findFiles(search).catch((error: unknown) => refuse(safe(pattern), error));
    for (const file of finds.files) found.push(file);
    for (const link of finds.links) links.add(link);
    for (const one of finds.skipped) places.set(withReason(one), one);
    const missing = new Set(finds.skipped.filter(isUnseen).map(withReason));
    unseen.set(pattern, missing.size === 0 ? undefined : someNames([...missing], ""));
    if (finds.isAmbiguous)
      out.say(`${safe(pattern)} is a file, and a pattern that matches other files; all of them are taken`);
  }
  const skipped = [...places.values()];
  const taken = listed.filter((name) => !excludes.excludesFile(name));
  for (const line of skippedLines(skipped)) out.complain(line);
  if (patterns.length > 0 && found.length + taken.length === 0) {
    const isNew = processed.length + pending.length === 0;
    if (isNew || !skipped.some(isUnseen)) throw new CommandError("no files match; nothing was done");
  }
  const list = await lookAt(taken, cwd);
  const spellings = new Spellings(cwd);
  const names = distinct([...found, ...taken], [...processed, ...pending], spellings);
  const notes = [
    ...listNotes(list),
    ...(exclude.length > 0 ? [excludedNote(pending, excludes)] : []),
    ...spellingNotes(names),
    linkNote([...links, ...list.links], names.names, spellings),
  ];
  for (const line of notes.map(noteLine)) if (line !== undefined) out.say(line);
  return { names: names.names, notes, skipped, unseen };
}

function reading<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    return refuse(what, error);
  }
}

function refuse(what: string, error: unknown): never {
  throw error instanceof PatternError ? usageError(`${what}: ${error.message}`) : error;
}
