/**
 * The state of a teller of events: up to where it has told, and the last status of each session. One process
 * at a time has it.
 */
import { closeSync, existsSync, openSync, realpathSync, renameSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { eventIdSchema } from "../../contract/events.ts";
import { systemErrorCode } from "../../error.ts";
import { tryLock } from "../../files/flock.ts";
import { makePath } from "../../files/make-path.ts";
import { replaceFile } from "../../files/replace-file.ts";
import { systemReason } from "../../files/standard-streams.ts";
import { homeDirectory } from "../../host/home-directory.ts";
import { shortDigest } from "../../runner/digest.ts";
import { statuses } from "../../session/session.ts";
import { CommandError } from "../exit-code.ts";
import { safe } from "../terminal-text.ts";
import { KnownSessions } from "./known-sessions.ts";

const version = 1;
const stateSchema = z.object({
  version: z.literal(version),
  store: z.string(),
  filter: z.string(),
  cursor: eventIdSchema,
  // A session may be named __proto__, which z.record() leaves out.
  sessions: z.preprocess(
    (value) => (typeof value === "object" && value !== null ? Object.entries(value) : value),
    z.array(z.tuple([z.string(), z.object({ status: z.enum(statuses), revision: z.int() })])),
  ),
});

/** What the state is about. Another store or filter needs another state. */
export interface About {
  /** Where the sessions are, as the daemon says. */
  readonly store: string;
  /** The filter as text. */
  readonly filter: string;
}

export interface State {
  readonly cursor: string;
  readonly known: KnownSessions;
}

/**
 * A path of its own for each store, filter and line. `$XDG_STATE_HOME` is used if it is absolute.
 *
 * @throws CommandError if the user has no home directory either
 */
export function defaultStatePath({ store, filter }: About, line: string, env: NodeJS.ProcessEnv): string {
  const home = homeDirectory(env);
  const base = env.XDG_STATE_HOME?.startsWith("/") ? env.XDG_STATE_HOME : home && join(home, ".local/state");
  if (base === undefined)
    throw new CommandError("this user has no home directory for the state file; name a file with --state");
  return join(base, "sessiond", `events-${shortDigest([store, filter, line])}.json`);
}

export class StateFile {
  readonly #path: string;
  readonly #about: About;
  readonly #lock: number;
  #saved = "";

  /**
   * Takes the file for this process. Its lock is beside it, because the file itself is replaced.
   *
   * @throws CommandError if another process has it, or if its directory cannot be used
   */
  constructor(path: string, about: About) {
    this.#path = path;
    this.#about = about;
    try {
      makePath(dirname(path), { mode: 0o700 });
      // A link to a state has the lock of that state.
      const real = existsSync(path) ? realpathSync(path) : path;
      this.#lock = openSync(`${real}.lock`, "a", 0o600);
    } catch (error) {
      throw this.#trouble("cannot use", error);
    }
    let isOurs = false;
    try {
      isOurs = tryLock(this.#lock);
    } catch (error) {
      throw this.#trouble("cannot lock", error);
    } finally {
      if (!isOurs) closeSync(this.#lock);
    }
    if (!isOurs) {
      throw new CommandError(
        `another process uses the state file ${safe(path)}; stop it, or give another file with --state`,
      );
    }
  }

  /**
   * The state that was saved last; undefined if there is none, or if it is about something else. What is no
   * state is moved aside.
   *
   * @throws CommandError if the file cannot be read, or belongs to a newer version
   */
  async read(say: (line: string) => void): Promise<State | undefined> {
    const text = await this.#text();
    if (text === undefined) return undefined;
    const value = parsed(text);
    if (isNewer(value)) {
      throw new CommandError(`${safe(this.#path)} was written by a newer sessionctl; give another --state`);
    }
    const state = stateSchema.safeParse(value);
    if (!state.success) {
      const aside = `${this.#path}.odd-${Date.now()}`;
      renameSync(this.#path, aside);
      say(`${safe(this.#path)} is not a state of events; moved to ${safe(aside)}, and begun anew`);
      return undefined;
    }
    const { store, filter, cursor, sessions } = state.data;
    if (store !== this.#about.store) {
      throw new CommandError(
        `${safe(this.#path)} is about the sessions in ${safe(store)}; give another file with --state`,
      );
    }
    if (filter !== this.#about.filter) {
      say("the events that are wanted have changed since the last start; what was missed is not told");
      return undefined;
    }
    this.#saved = text;
    return { cursor, known: new KnownSessions(sessions) };
  }

  /** @throws the error of the system; the file is then what it was */
  async save({ cursor, known }: State): Promise<void> {
    const sessions = Object.fromEntries(known.entries());
    const text = `${JSON.stringify({ version, ...this.#about, cursor, sessions })}\n`;
    if (text === this.#saved) return;
    await replaceFile(this.#path, text, { mode: 0o600 });
    this.#saved = text;
  }

  close(): void {
    closeSync(this.#lock);
  }

  async #text(): Promise<string | undefined> {
    try {
      return await readFile(this.#path, "utf8");
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw this.#trouble("cannot read", error);
    }
  }

  #trouble(what: string, error: unknown): CommandError {
    const reason = systemReason(error as Error);
    return new CommandError(`${what} the state file ${safe(this.#path)}: ${reason}`, undefined, {
      cause: error,
    });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isNewer(value: unknown): boolean {
  const found = typeof value === "object" && value !== null && "version" in value ? value.version : undefined;
  return typeof found === "number" && found > version;
}
