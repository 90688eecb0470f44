/**
 * Backups of sessions, the diagnosis of a session, and a repair that loses nothing. A readable session is
 * backed up and then repaired. A document that cannot be read goes to the trash, where it is kept, and a
 * backup takes its place.
 */
import { yieldIfDue } from "../../../async/slices.ts";
import type { Backup, Recovery, Restored, Validation } from "../../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../../error.ts";
import { diagnose, type Finding, repair } from "../../../session/diagnosis.ts";
import type { Session } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import type { Clock } from "../../../time/clock.ts";
import { partsOf } from "../../document/encode-session.ts";
import { newGeneration } from "../../generation.ts";
import { assertMayReport } from "../../lease-rules.ts";
import { missingSession } from "../../missing-session.ts";
import type { Database } from "../connection/database.ts";
import type { Log } from "../log/log.ts";
import type { Backups } from "./backups.ts";
import { isInTrash, isThere } from "./known-ids.ts";
import { type SessionCommands, wholeSession, withNextRevision } from "./session-commands.ts";
import { newTrashId } from "./trash.ts";

export interface RepairOptions {
  database: Database;
  log: Log;
  commands: SessionCommands;
  backups: Backups;
  clock: Clock;
}

/** How often the session is looked for again, while others create and delete it. */
const attempts = 20;

export class Repair {
  readonly #options: RepairOptions;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** Copies the session as it is, its last reports included. @throws SessiondError `not_supported` */
  async backup(id: SessionId, destination: string | undefined): Promise<Backup> {
    const { database, commands, backups } = this.#options;
    if (destination !== undefined) {
      const message =
        "backups are kept in the database, and in no directory; to keep a copy elsewhere, export the session";
      throw new SessiondError("not_supported", message, { issues: [{ path: "directory", message }] });
    }
    const { session } = await commands.read(id);
    return database.transaction((tx) => backups.keep(tx, id, partsOf(session)));
  }

  /** @throws SessiondError if there is no such session and no backup of it */
  async listBackups(id: SessionId): Promise<Backup[]> {
    const { database, backups } = this.#options;
    const found = await backups.list(id);
    if (found.length === 0 && !(await isThere(database, id)))
      throw missingSession(id, await isInTrash(database, id));
    return found;
  }

  async restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    const session = await this.#options.backups.read(id, backup);
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const restored = (await this.#restoreOver(id, session)) ?? (await this.#restoreNew(session));
      if (restored !== undefined) return restored;
    }
    throw new SessiondError("storage_failed", `others keep creating and deleting "${id}"; try again`);
  }

  async validate(id: SessionId): Promise<Validation & Pick<Session, "run">> {
    let findings: Finding[];
    let run: Session["run"];
    try {
      const { session } = await this.#options.commands.read(id);
      run = session.run;
      // Reading a large session took a while, and diagnosing it takes a while too.
      await yieldIfDue();
      findings = diagnose(session);
    } catch (error) {
      if (!isSessiondError(error, "session_corrupt")) throw error;
      findings = [{ code: "unreadable", message: error.message, repairable: true }];
    }
    return { session_id: id, valid: findings.length === 0, findings, run };
  }

  async recover(id: SessionId): Promise<Recovery> {
    try {
      return await this.#repair(id);
    } catch (error) {
      if (!isSessiondError(error, "session_corrupt")) throw error;
      return this.#replaceUnreadable(id, error.message);
    }
  }

  #repair(id: SessionId): Promise<Recovery> {
    const { log, backups } = this.#options;
    return log.change(id, "copy", async (row, tx) => {
      const session = await wholeSession(row);
      await yieldIfDue();
      const findings = diagnose(session);
      let backup: string | null = null;
      if (findings.some(({ repairable }) => repairable)) {
        ({ backup } = await backups.keep(tx, id, partsOf(session)));
        await row.replace(withNextRevision(row, repair(session)));
      }
      const actions = findings.map(({ message, repairable }) =>
        repairable ? `repaired: ${message}` : `left as it is: ${message}`,
      );
      return { session_id: id, recovered: true, actions, backup, quarantined: null };
    });
  }

  /** The newest backup that can be read takes the place of the document, which goes to the trash. */
  async #replaceUnreadable(id: SessionId, why: string): Promise<Recovery> {
    const { backups } = this.#options;
    const actions: string[] = [];
    for (const { backup } of await backups.list(id)) {
      try {
        await backups.read(id, backup);
      } catch (error) {
        if (!isSessiondError(error, "invalid_request")) throw error;
        actions.push(`skipped the backup ${backup}: ${error.message}`);
        continue;
      }
      await this.restoreBackup(id, backup);
      actions.push("moved the unreadable document to the trash");
      actions.push(`restored the newest readable backup, ${backup}`);
      return { session_id: id, recovered: true, actions, backup: null, quarantined: null };
    }
    actions.push(`left as it is: ${why}`, "there is no backup to restore");
    return { session_id: id, recovered: false, actions, backup: null, quarantined: null };
  }

  /** Undefined if there is no session, or none any more. */
  async #restoreOver(id: SessionId, session: Session): Promise<Restored | undefined> {
    const { log, commands, backups } = this.#options;
    try {
      return await log.change(id, "copy", async (row, tx) => {
        assertMayReport(id, row.leases, undefined);
        // In the same transaction, so that nothing falls between the backup and the change.
        const { backup: previous } = await backups.keep(tx, id, partsOf(await wholeSession(row)));
        const { summary } = await commands.replace(row, session, true);
        return { session: summary, previous };
      });
    } catch (error) {
      if (isSessiondError(error, "session_corrupt")) await this.#putAside(id);
      else if (!isSessiondError(error, "session_not_found", "session_deleted")) throw error;
      return undefined;
    }
  }

  /** Undefined if there is a session. */
  async #restoreNew(session: Session): Promise<Restored | undefined> {
    const { commands } = this.#options;
    const created = await commands.createFrom({ ...session, generation: newGeneration() });
    return created && { session: created.summary, previous: null };
  }

  /** Moves a session with an unreadable document to the trash, which keeps the document. */
  async #putAside(id: SessionId): Promise<void> {
    const { log, clock } = this.#options;
    const trash = { trashId: newTrashId(clock.now()), reason: "unreadable" };
    await log.change(id, "row", (row) => row.remove(trash));
  }
}
