/**
 * Keeps in quarantine what cannot be used of the daemon's own state: damaged segments of the journal, torn
 * tails, records of a wrong form. Each piece is in `health` until somebody deletes it there. Does not know
 * what a piece means: who puts it here says that. Session files in quarantine are no state, and not its
 * business.
 */
import { join } from "node:path";
import type { HealthProblem } from "../../../contract/replies.ts";
import { systemErrorCode } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import { shellQuote } from "../../../text/shell-quote.ts";
import type { FileSystem } from "./file-system.ts";
import { syncDirectory } from "./own-directories.ts";

/** Session files that `recover` moved here begin with a time of this many digits. */
const sessionFile = /^\d{20}-/;
/** More torn tails than this are not kept: the oldest go. Nobody was promised what they hold. */
const manyTornTails = 100;
const tornEnding = ".torn";
/** How the names of journals begin that another program put in the place of the daemon's. */
export const replacedJournal = "journal-replaced";

/** What a piece is, for those who read `health`. */
export interface PieceMeaning {
  code: string;
  message: string;
  /** What to do, before the piece is deleted. */
  hint: string;
  session_id?: string | null;
}

export interface StateQuarantineOptions {
  fs: FileSystem;
  /** The quarantine. */
  directory: string;
  logger: Logger;
}

export class StateQuarantine {
  readonly #options: StateQuarantineOptions;
  /** By the name of each piece, what `health` says of it. */
  readonly #pieces = new Map<string, PieceMeaning[]>();
  /** The pieces of which this run has said something. */
  readonly #noted = new Set<string>();

  constructor(options: StateQuarantineOptions) {
    this.#options = options;
  }

  /** Finds what earlier runs kept. Call it before anything is added. */
  load(): void {
    const { fs, directory } = this.#options;
    const names = fs.readdirSync(directory).filter((name) => !sessionFile.test(name));
    const torn = names.filter((name) => name.endsWith(tornEnding)).sort();
    for (const name of torn.slice(0, -manyTornTails)) fs.unlinkSync(join(directory, name));
    for (const name of names.sort()) {
      if (!torn.slice(0, -manyTornTails).includes(name)) this.#pieces.set(name, [earlierMeaning(name)]);
    }
  }

  pathOf(name: string): string {
    return join(this.#options.directory, name);
  }

  /** Keeps a copy of some bytes. Durable when it returns. @throws the file system's errors */
  keepBytes(name: string, bytes: Uint8Array): void {
    const { fs, directory } = this.#options;
    const path = join(directory, name);
    try {
      fs.writeFileSync(path, bytes, { mode: 0o640, flag: "w", flush: true });
      if (fs.lstatSync(path)?.size !== BigInt(bytes.length)) throw shortWrite(path);
    } catch (error) {
      fs.rmSync(path, { recursive: true, force: true });
      throw error;
    }
    syncDirectory(fs, directory);
  }

  /** Keeps a file that stays where it is, under a second name. Durable when it resolves. */
  async keepFile(path: string, name: string): Promise<void> {
    const { fs, directory } = this.#options;
    const kept = join(directory, name);
    try {
      fs.linkSync(path, kept);
    } catch (error) {
      // Kept by an earlier run; or the file system has no hard links.
      if (systemErrorCode(error) !== "EEXIST") await fs.writeSynced(kept, await fs.readFile(path), 0o640);
    }
    syncDirectory(fs, directory);
  }

  /**
   * Moves something here, whatever it is, and logs that. Durable when it returns. Returns where it is now.
   *
   * @throws the file system's errors
   */
  move(path: string, name: string, { message, hint, ...rest }: PieceMeaning): string {
    const { fs, directory, logger } = this.#options;
    const kept = `${name.replace(/(\.[a-z]+)?$/, `-${Date.now()}$&`)}`;
    const place = join(directory, kept);
    fs.renameSync(path, place);
    syncDirectory(fs, directory);
    const full = `${message}; it was moved to ${place}`;
    logger.warn({ file: path, moved_to: place }, full);
    this.note(kept, { message: full, hint, ...rest });
    return place;
  }

  /** From now on `health` says this, as long as the piece is here. */
  note(name: string, meaning: PieceMeaning): void {
    const known = this.#noted.has(name) ? this.#pieces.get(name) : undefined;
    this.#noted.add(name);
    this.#pieces.set(name, [...(known ?? []), meaning]);
  }

  problems(): HealthProblem[] {
    const problems: HealthProblem[] = [];
    for (const [name, meanings] of this.#pieces) {
      const path = this.pathOf(name);
      if (!this.#isThere(path)) {
        this.#pieces.delete(name);
        continue;
      }
      for (const { hint, session_id = null, ...meaning } of meanings) {
        const dismiss = `to be told no more, delete it: rm -r ${shellQuote(path)}`;
        problems.push({ ...meaning, hint: `${hint}; ${dismiss}`, session_id });
      }
    }
    return problems;
  }

  #isThere(path: string): boolean {
    try {
      return this.#options.fs.lstatSync(path) !== undefined;
    } catch {
      return true;
    }
  }
}

/** What is said of a piece that an earlier run kept: the log of that run said more. */
function earlierMeaning(name: string): PieceMeaning {
  if (name.endsWith(tornEnding)) {
    return {
      code: "journal_torn",
      message: `the last write of an earlier run to the journal did not finish; what it left is in quarantine as ${name}`,
      hint: "nothing that was acknowledged is lost",
    };
  }
  if (name.startsWith(replacedJournal)) {
    return {
      code: "state_quarantined",
      message: `another program put a journal in the place of the one in use; it is in quarantine as ${name}`,
      hint: "what was acknowledged is in the session files, unless the log of that run says otherwise",
    };
  }
  if (name.startsWith("journal-")) {
    return {
      code: "journal_damaged",
      message: `an earlier start found the journal damaged; what was damaged is in quarantine as ${name}`,
      hint: "the log of that start says which sessions are concerned; check the disk",
    };
  }
  return {
    code: "state_quarantined",
    message: `an earlier start could not use a state file; it is in quarantine as ${name}`,
    hint: "the log of that start says why",
  };
}

function shortWrite(path: string): Error {
  return Object.assign(new Error(`ENOSPC: only a part of ${path} could be written`), { code: "ENOSPC" });
}
