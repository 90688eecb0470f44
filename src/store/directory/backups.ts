/**
 * Backups: copies of a session's document, named `<name>_<YYYYMMDD_HHMMSS>.json` by the time in UTC, by
 * default in `backups/` of the sessions directory. The original module leaves out of the name what is no
 * letter, digit, `-` or `_` of the id, and adds no digest: two ids may share a name there.
 */
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { yieldIfDue } from "../../async/slices.ts";
import type { Backup } from "../../contract/replies.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import type { Session } from "../../session/session.ts";
import { keptInNames, safeName } from "../../session/session-id.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { formatTimestamp, type Micros, microsPerMs } from "../../time/clock.ts";
import { UnreadableError } from "../document/decode-session.ts";
import { encodeSession, partsOf } from "../document/encode-session.ts";
import { type DurableFiles, storageError } from "./disk/durable-files.ts";
import type { FileSystem } from "./disk/file-system.ts";
import { makeDirectory } from "./disk/own-directories.ts";
import { peekSessionId } from "./disk/peek-session-id.ts";
import { readInSlices } from "./disk/read-document.ts";

/** The end of a backup's name: the time, and a number where there are several of one second. */
const stampPattern = /\d{8}_\d{6}(?:_\d+)?\.json$/;

export class Backups {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #default: string;
  readonly #anywhere: boolean;
  readonly #files: DurableFiles;

  /** Paths that lead out of the sessions directory are refused, except with `anywhere`. */
  constructor(fs: FileSystem, sessionsDirectory: string, anywhere: boolean, files: DurableFiles) {
    this.#fs = fs;
    this.#root = sessionsDirectory;
    this.#default = join(sessionsDirectory, "backups");
    this.#anywhere = anywhere;
    this.#files = files;
  }

  /** Writes a backup, durably, to a directory. @throws SessiondError `invalid_request` for a bad directory */
  async create(session: Session, directory: string | undefined, now: Micros): Promise<Backup> {
    const target = await this.#directory(directory);
    const bytes = await encodeSession(partsOf(session));
    const created_time = formatTimestamp(now);
    const stamp = created_time.slice(0, 19).replace(/[-:]/g, "").replace("T", "_");
    for (let copy = 1; ; copy++) {
      const backup = `${safeName(session.session_id)}_${stamp}${copy === 1 ? "" : `_${copy}`}.json`;
      try {
        await this.#files.write(target, backup, bytes, { mode: 0o640, exclusive: true });
        const path = join(target, backup);
        return {
          session_id: session.session_id,
          backup: target === this.#default ? backup : path,
          location: path,
          created_time,
          bytes: bytes.length,
        };
      } catch (error) {
        if (systemErrorCode(error) !== "EEXIST") throw error;
      }
    }
  }

  /**
   * The backups of a session in the default directory, newest first. The id inside a backup decides. Only
   * what may be one by its name is read. One that cannot be read is listed by its name.
   */
  async list(id: string): Promise<Backup[]> {
    const name = safeName(id);
    const prefixes = new Set([`${name}_`, `${keptInNames(id)}_`]);
    const found: Backup[] = [];
    for (const backup of this.#names()) {
      const stamp = stampPattern.exec(backup)?.index;
      if (stamp === undefined || !prefixes.has(backup.slice(0, stamp))) continue;
      await yieldIfDue();
      const location = join(this.#default, backup);
      const stats = this.#fs.lstatSync(location);
      if (!stats?.isFile()) continue;
      const owner = await peekSessionId(this.#fs, location);
      if (owner === undefined ? !backup.startsWith(`${name}_`) : owner !== id) continue;
      const created_time = formatTimestamp(Number(stats.mtimeMs) * microsPerMs);
      found.push({ session_id: id, backup, location, created_time, bytes: Number(stats.size) });
    }
    return found.sort((a, b) => compare(b.created_time, a.created_time) || compare(b.backup, a.backup));
  }

  /**
   * Reads the session in a backup, which is a name in the default directory or a path.
   *
   * @throws SessiondError `invalid_request` for one that is missing, unreadable or of another session
   */
  async read(id: string, backup: string): Promise<Session> {
    const path = this.#locate(backup);
    let session: Session | undefined;
    try {
      session = (await readInSlices(this.#fs, path))?.session;
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw storageError(error);
      throw refuse(`${path} cannot be read: ${error.message}`);
    }
    if (session === undefined)
      throw refuse(
        `there is no backup ${path}; list the backups with: sessionctl backup --list ${shellOperand(id)}`,
      );
    if (session.session_id !== id) throw refuse(`${path} is a backup of session "${session.session_id}"`);
    return session;
  }

  #names(): string[] {
    try {
      return this.#fs.readdirSync(this.#default);
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return [];
      throw storageError(error);
    }
  }

  async #directory(wanted: string | undefined): Promise<string> {
    assertPath("directory", wanted);
    const directory = wanted === undefined ? this.#default : resolve(this.#root, wanted);
    if (!this.#isInside(directory)) throw outside("directory", this.#root);
    try {
      makeDirectory(this.#fs, directory);
    } catch (error) {
      const isSync = (error as NodeJS.ErrnoException).syscall === "fsync";
      throw isSync
        ? this.#files.syncFailed(`${directory} could not be created durably`, error)
        : pathError("directory", error);
    }
    return directory;
  }

  #locate(backup: string): string {
    assertPath("backup", backup);
    const path = backup === basename(backup) ? join(this.#default, backup) : resolve(this.#root, backup);
    if (!this.#isInside(path)) throw outside("backup", this.#root);
    return path;
  }

  /** Judged by the real path: a symbolic link inside the directory could lead out of it. */
  #isInside(path: string): boolean {
    if (this.#anywhere) return true;
    const way = relative(this.#fs.realpathSync(this.#root), realPath(this.#fs, path));
    const [first] = way.split(sep);
    return way !== "" && first !== ".." && first !== ".sessiond" && !isAbsolute(way);
  }
}

/** The path with every symbolic link resolved; its last parts need not exist yet. */
function realPath(fs: FileSystem, path: string): string {
  try {
    return fs.realpathSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT" || dirname(path) === path) throw pathError("directory", error);
    return join(realPath(fs, dirname(path)), basename(path));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function assertPath(name: string, path: string | undefined): void {
  if (path?.includes("\0")) {
    const issue = { path: name, message: "must not contain a zero byte" };
    throw new SessiondError("invalid_request", `the ${name} is not a valid path`, { issues: [issue] });
  }
}

/** A path that cannot be used is an error of the caller; any other failure is one of the storage. */
function pathError(name: string, error: unknown): SessiondError {
  if (!["ENAMETOOLONG", "ELOOP", "ENOTDIR", "EEXIST", "EACCES"].includes(systemErrorCode(error) ?? ""))
    return storageError(error);
  const { message } = error as Error;
  return new SessiondError("invalid_request", `the ${name} cannot be used: ${message}`, {
    issues: [{ path: name, message }],
  });
}

function refuse(message: string): SessiondError {
  return new SessiondError("invalid_request", message, { issues: [{ path: "backup", message }] });
}

function outside(path: string, root: string): SessiondError {
  const message =
    `must lie inside ${root}: the daemon writes nowhere else; ` +
    "to keep a copy elsewhere, export the session";
  return new SessiondError("invalid_request", `the ${path} leads out of the sessions directory`, {
    issues: [{ path, message }],
  });
}
