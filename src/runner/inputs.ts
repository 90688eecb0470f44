/**
 * What a result came from: the content of its file, the command, and the files that the command depends on. A
 * file is done as long as all three are the same.
 */
import { resolve } from "node:path";
import type { Depends } from "./depends.ts";
import { type Fingerprint, hasSameContent, takeFingerprint } from "./fingerprint.ts";
import { commandHash, type Template } from "./template.ts";

/** The keys of a result that tell what it came from. */
export interface Origin {
  /** The file when its command began; left out for a name that was not that of a regular file. */
  fingerprint?: Fingerprint;
  /** The file when its command had ended; left out if its content was the same as before, or it was gone. */
  fingerprint_after?: Fingerprint;
  /** Digest of the command line. */
  command_hash: string;
  /** Digest of the files that the command depends on, when it began; left out if there are none. */
  depends_hash?: string;
}

export interface InputOptions {
  readonly template: Template;
  readonly cwd: string;
  readonly depends: Depends | undefined;
  /** Whether to hash the content of large files too. */
  readonly alwaysHash: boolean;
}

export class Inputs {
  readonly #options: InputOptions;
  readonly #commandHash: string;

  constructor(options: InputOptions) {
    this.#options = options;
    this.#commandHash = commandHash(options.template);
  }

  /**
   * Looks at what an attempt on the file begins with. The returned function looks at what the attempt left,
   * and is called as soon as the command has ended: a change by somebody else that comes later is noticed by
   * the next run, one that comes earlier cannot be told from a change by the command.
   */
  async begin(file: string): Promise<() => Promise<Origin>> {
    const { cwd, depends, alwaysHash } = this.#options;
    const path = resolve(cwd, file);
    const before = await takeFingerprint(path, { alwaysHash });
    const dependsHash = await depends?.hash();
    return async () => {
      const after = await takeFingerprint(path, { alwaysHash, earlier: before });
      const origin: Origin = { command_hash: this.#commandHash };
      if (dependsHash !== undefined) origin.depends_hash = dependsHash;
      // The later times spare the next run a hash.
      if (hasSameContent(before, after))
        return before === undefined ? origin : { ...origin, fingerprint: after as Fingerprint };
      if (before !== undefined) origin.fingerprint = before;
      if (after !== undefined) origin.fingerprint_after = after;
      return origin;
    };
  }
}
