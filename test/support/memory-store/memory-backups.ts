/** The backups of a memory store. */
import type { Backup } from "../../../src/contract/replies.ts";
import { SessiondError } from "../../../src/error.ts";
import type { Session } from "../../../src/session/session.ts";
import { formatTimestamp, type Micros } from "../../../src/time/clock.ts";
import { type BackedUp, bytesOf, type Memory } from "./memory.ts";

export class MemoryBackups {
  readonly #backups: BackedUp[];

  constructor({ backups }: Memory) {
    this.#backups = backups;
  }

  /** @throws SessiondError `invalid_request` for any destination: there is only one */
  add(session: Session, destination: string | undefined, now: Micros): Backup {
    if (destination !== undefined) throw refused("directory", "a store in memory has no directories");
    const { session_id } = session;
    const name = `backup-${this.#backups.length + 1}`;
    const created_time = formatTimestamp(now);
    const backup = {
      ...{ session_id, backup: name, location: `memory:${name}`, created_time },
      bytes: bytesOf(session),
    };
    this.#backups.push({ session, backup });
    return backup;
  }

  /** Newest first. */
  list(id: string): Backup[] {
    const backups = this.#backups.map(({ backup }) => backup);
    return backups.filter(({ session_id }) => session_id === id).reverse();
  }

  /** @throws SessiondError `invalid_request` for one that is missing, or of another session */
  read(id: string, name: string): Session {
    const found = this.#backups.find(({ backup }) => backup.backup === name);
    if (found === undefined) throw refused("backup", `there is no backup ${name}`);
    const { session_id } = found.session;
    if (session_id !== id) throw refused("backup", `${name} is a backup of session "${session_id}"`);
    return found.session;
  }
}

function refused(path: string, message: string): SessiondError {
  return new SessiondError("invalid_request", message, { issues: [{ path, message }] });
}
