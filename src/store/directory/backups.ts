/**
 * Copies of a session's document, `<name>_<YYYYMMDD_HHMMSS>.json` in UTC, by default in `backups/` of the
 * sessions directory.
 */
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { Backup } from "../../contract/replies.ts";
import { SessiondError, systemErrorCode } from "../../error.ts";
import type { Session } from "../../session/session.ts";
import { safeName } from "../../session/session-id.ts";
import { shellOperand } from "../../text/shell-quote.ts";
import { formatTimestamp, type Micros, microsPerMs } from "../../time/clock.ts";
import { type DurableFiles, storageError } from "./disk/durable-files.ts";
import { encodeSession, partsOf } from "./disk/encode-session.ts";
import type { FileSystem } from "./disk/file-system.ts";
import { makeDirectory } from "./disk/own-directories.ts";
import { readDocument } from "./disk/read-document.ts";
import { UnreadableError } from "./disk/session-codec.ts";

export class Backups {
  readonly #fs: FileSystem;
  readonly #root: string;
  readonly #default: string;
  readonly #anywhere: boolean;
  readonly #files: DurableFiles;

  /** Unless `anywhere`, paths that lead out of the sessions directory are refused. */
  constructor(fs: FileSystem, sessionsDirectory: string, anywhere: boolean, files: DurableFiles) {
    this.#fs = fs;
    this.#root = sessionsDirectory;
    this.#default = join(sessionsDirectory, "backups");
    this.#anywhere = anywhere;
    this.#files = files;
  }

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

  /** Those in the default directory, newest first. */
  list(id: string): Backup[] {
    const prefix = `${safeName(id)}_`;
    return this.#names()
      .filter(
        (name) => name.startsWith(prefix) && /^\d{8}_\d{6}(_\d+)?\.json$/.test(name.slice(prefix.length)),
      )
      .map((backup) => {
        const path = join(this.#default, backup);
        const stats = this.#fs.lstatSync(path);
        if (!stats?.isFile()) return undefined;
        return {
          session_id: id,
          backup,
          location: path,
          created_time: formatTimestamp(Number(stats.mtimeMs) * microsPerMs),
          bytes: Number(stats.size),
        };
      })
      .filter((backup) => backup !== undefined)
      .sort((a, b) =>
        a.created_time < b.created_time
          ? 1
          : a.created_time > b.created_time
            ? -1
            : a.backup < b.backup
              ? 1
              : -1,
      );
  }

  /**
   * The session in a backup.
   *
   * @throws SessiondError `invalid_request` for one that is missing, unreadable or of another session
   */
  read(id: string, backup: string): Session {
    const path = this.#locate(backup);
    let session: Session | undefined;
    try {
      session = readDocument(this.#fs, path)?.session;
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw storageError(error);
      throw refuse(`${path} cannot be read: ${error.message}`);
    }
    if (session === undefined)
      throw refuse(
        `there is no backup ${path}; list what there is with: sessionctl backup --list ${shellOperand(id)}`,
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
        ? this.#files.syncFailed(`${directory} could not be made`, error)
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

  /** Judged by where the path really leads: a symbolic link inside the directory could lead out of it. */
  #isInside(path: string): boolean {
    if (this.#anywhere) return true;
    const way = relative(this.#fs.realpathSync(this.#root), realPath(this.#fs, path));
    const [first] = way.split(sep);
    return way !== "" && first !== ".." && first !== ".sessiond" && !isAbsolute(way);
  }
}

/** The path with every symbolic link on the way resolved, also where its last parts do not exist yet. */
function realPath(fs: FileSystem, path: string): string {
  try {
    return fs.realpathSync(path);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT" || dirname(path) === path) throw pathError("directory", error);
    return join(realPath(fs, dirname(path)), basename(path));
  }
}

function assertPath(name: string, path: string | undefined): void {
  if (path?.includes("\0")) {
    const issue = { path: name, message: "must not contain a zero byte" };
    throw new SessiondError("invalid_request", `the ${name} is no path`, { issues: [issue] });
  }
}

/** A path that cannot be is the caller's to mend; anything else is the storage's. */
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
  const message = `must lie inside ${root}: the daemon writes nowhere else; to keep a copy elsewhere, export the session`;
  return new SessiondError("invalid_request", `the ${path} leads out of the sessions directory`, {
    issues: [{ path, message }],
  });
}
