/** Tells when two names mean one path, such as `a` and `./a`. A link and its target are two paths. */
import { realpathSync } from "node:fs";
import { relative, resolve } from "node:path";
import { pathIn } from "./find-files.ts";

/** An empty part, `.` or `..`, or a slash at the beginning: only such a name can have another spelling. */
const odd = /(?:^|\/)\.{0,2}(?:\/|$)/;
/** All up to the last `..`. */
const upwards = /^.*\/\.\.(?=\/|$)/s;

export class Spellings {
  readonly #cwd: string;
  readonly #real: string;
  readonly #directories = new Map<string, string>();

  /** Names are relative to `cwd`. */
  constructor(cwd: string) {
    this.#cwd = cwd;
    this.#real = realOf(cwd) ?? cwd;
  }

  /** The same text for all names of one path: the path as it is from the directory. */
  plain(name: string): string {
    return odd.test(name) ? relative(this.#real, this.#absolute(name)) : name;
  }

  /** What the link of that name leads to, as `plain` gives it; undefined if it leads nowhere. */
  target(name: string): string | undefined {
    const real = realOf(pathIn(this.#cwd, name));
    return real === undefined ? undefined : relative(this.#real, real);
  }

  #absolute(name: string): string {
    const path = name.startsWith("/") ? name : `${this.#real}/${name}`;
    const begin = upwards.exec(path)?.[0];
    if (begin !== undefined) return resolve(this.#upwards(begin) + path.slice(begin.length));
    // The directory may have been given through a link.
    const isBelow = name.startsWith(`${this.#cwd}/`);
    return resolve(isBelow ? this.#real + name.slice(this.#cwd.length) : path);
  }

  /** The directory before `..` may be a link, and then the way up is not where the name says. */
  #upwards(path: string): string {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    const real = realOf(path) ?? resolve(path);
    this.#directories.set(path, real);
    return real;
  }
}

function realOf(path: string): string | undefined {
  try {
    // The other realpathSync takes .. away before it looks at links.
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

export interface Distinct {
  /** Each path once: as the session names it, else as it was named first. */
  readonly names: readonly string[];
  /** Names that were given more than once. */
  readonly repeated: ReadonlySet<string>;
  /** Other spellings, with the name that is kept instead. */
  readonly respelled: ReadonlyMap<string, string>;
  /** Names in the session that mean the path of another name in it. */
  readonly twice: ReadonlyMap<string, string>;
}

/** Takes each path once. Names that the session knows already are kept as they are. */
export function distinct(given: Iterable<string>, known: Iterable<string>, spellings: Spellings): Distinct {
  const inSession = new Map<string, string>();
  const twice = new Map<string, string>();
  for (const name of known) {
    const plain = spellings.plain(name);
    const other = inSession.get(plain);
    if (other === undefined) inSession.set(plain, name);
    else if (other !== name) twice.set(name, other);
  }
  const names = new Map<string, string>();
  const repeated = new Set<string>();
  const respelled = new Map<string, string>();
  for (const name of given) {
    const path = twice.has(name) ? name : spellings.plain(name);
    const earlier = names.get(path);
    const kept = earlier ?? inSession.get(path) ?? name;
    if (earlier === undefined) names.set(path, kept);
    if (kept !== name) respelled.set(name, kept);
    else if (earlier !== undefined) repeated.add(name);
  }
  return { names: [...names.values()], repeated, respelled, twice };
}
