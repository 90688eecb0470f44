/**
 * Backups of sessions, the diagnosis of a session, and a repair that loses nothing. A readable session is
 * backed up and then repaired. An unreadable file goes to quarantine, and its newest backup takes its place.
 */
import { yieldIfDue } from "../../async/slices.ts";
import type { Backup, Recovery, Restored, Validation } from "../../contract/replies.ts";
import { isSessiondError } from "../../error.ts";
import { applyCommand } from "../../session/command.ts";
import { diagnose, type Finding, repair } from "../../session/diagnosis.ts";
import type { Session } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Clock } from "../../time/clock.ts";
import type { LeaseTable } from "../lease-table.ts";
import type { Backups } from "./backups.ts";
import type { KnownSessions } from "./changes/known-sessions.ts";
import type { Quarantine } from "./changes/quarantine.ts";
import type { SessionChanges } from "./changes/session-changes.ts";
import type { SessionCommands } from "./changes/session-commands.ts";
import type { SessionFileWriter } from "./changes/write-session-file.ts";
import type { StorageState } from "./disk/storage-state.ts";
import type { FileCatalog } from "./view/file-catalog.ts";

export interface RepairOptions {
  state: StorageState;
  backups: Backups;
  catalog: FileCatalog;
  known: KnownSessions;
  quarantine: Quarantine;
  sessions: SessionChanges;
  commands: SessionCommands;
  writer: SessionFileWriter;
  leases: LeaseTable;
  clock: Clock;
}

export class Repair {
  readonly #options: RepairOptions;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** Copies the session as it is, its last reports included, to a directory. */
  async backup(id: SessionId, directory?: string): Promise<Backup> {
    const { state, writer, sessions, backups, clock } = this.#options;
    state.assertWritable();
    await writer.flush(id);
    const { session } = await sessions.read(id);
    return backups.create(session, directory, clock.now());
  }

  /** @throws SessiondError if there is no such session and no backup of it */
  async listBackups(id: SessionId): Promise<Backup[]> {
    const { backups, known } = this.#options;
    const found = await backups.list(id);
    if (found.length === 0 && !known.exists(id)) throw known.missing(id);
    return found;
  }

  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    const isUnreadable = this.#options.catalog.unreadableFor(id) !== undefined;
    return isUnreadable ? this.#restoreUnreadable(id, backup) : this.#restore(id, backup);
  }

  async validate(id: SessionId): Promise<Validation & Pick<Session, "run">> {
    const { sessions, catalog } = this.#options;
    const findings: Finding[] = [];
    let run: Session["run"];
    try {
      const { session } = await sessions.read(id);
      run = session.run;
      // Reading a large session took a while, and diagnosing it takes a while too.
      await yieldIfDue();
      findings.push(...diagnose(session));
      for (const file of catalog.duplicatesOf(id)) {
        const message = `${file} holds an older state of this session`;
        findings.push({ code: "duplicate_session", message, repairable: true });
      }
    } catch (error) {
      if (!isSessiondError(error, "session_corrupt")) throw error;
      findings.push({ code: "unreadable", message: error.message, repairable: true });
    }
    return { session_id: id, valid: findings.length === 0, findings, run };
  }

  async recover(id: SessionId): Promise<Recovery> {
    const { catalog, quarantine } = this.#options;
    const isUnreadable = catalog.unreadableFor(id) !== undefined;
    try {
      return await this.#repair(id);
    } finally {
      if (isUnreadable) quarantine.announceRemoved(id);
    }
  }

  async #restore(id: SessionId, backup: string): Promise<Restored> {
    const { state, backups, known, commands, quarantine, sessions, leases, clock } = this.#options;
    state.assertWritable();
    const session = await backups.read(id, backup);
    if (!known.exists(id)) return { session: (await commands.restore(session)).summary, previous: null };
    await quarantine.addDuplicates(id);
    let previous: string | null = null;
    // The backup of what is there is made in the same turn in which it is replaced, so nothing falls between.
    const { summary } = await sessions.replace(id, {}, async (current) => {
      leases.assertMayReport(id, undefined);
      ({ backup: previous } = await backups.create(current, undefined, clock.now()));
      return applyCommand(current, { type: "save", session, isRestored: true }, commands.now());
    });
    return { session: summary, previous };
  }

  /** The backup replaces an unreadable document, and is given the reports that wait for that document. */
  async #restoreUnreadable(id: SessionId, backup: string): Promise<Restored> {
    const { state, backups, catalog, known, commands, quarantine } = this.#options;
    state.assertWritable();
    const session = await backups.read(id, backup);
    const unreadable = catalog.unreadableFor(id);
    if (unreadable !== undefined) await quarantine.add(unreadable);
    if (known.exists(id)) return this.#restore(id, backup);
    return { session: (await commands.putBack(session)).summary, previous: null };
  }

  async #repair(id: SessionId): Promise<Recovery> {
    const { quarantine, sessions } = this.#options;
    const { findings } = await this.validate(id);
    if (findings.some((finding) => finding.code === "unreadable")) return this.#repairUnreadable(id);

    const actions: string[] = [];
    let backup: string | null = null;
    let quarantined: string | null = null;
    if (findings.some((finding) => finding.repairable)) {
      ({ backup } = await this.backup(id));
      for (const place of await quarantine.addDuplicates(id)) {
        quarantined = place;
        actions.push(`moved an older state of this session to ${place}`);
      }
      await sessions.change(id, {}, repair);
    }
    for (const { code, message, repairable } of findings) {
      if (!repairable) actions.push(`left as it is: ${message}`);
      else if (code !== "duplicate_session") actions.push(`repaired: ${message}`);
    }
    return { session_id: id, recovered: true, actions, backup, quarantined };
  }

  async #repairUnreadable(id: SessionId): Promise<Recovery> {
    const { catalog, quarantine } = this.#options;
    const file = catalog.unreadableFor(id);
    // Another program has repaired the file since it was diagnosed.
    const quarantined = file === undefined ? undefined : await quarantine.add(file);
    if (quarantined === undefined) return this.#repair(id);
    const actions = [`moved the unreadable ${file} to ${quarantined}`];
    for (const { backup } of await this.#options.backups.list(id)) {
      try {
        await this.#restoreUnreadable(id, backup);
        actions.push(`restored the newest readable backup, ${backup}`);
        return { session_id: id, recovered: true, actions, backup: null, quarantined };
      } catch (error) {
        if (!isSessiondError(error, "invalid_request")) throw error;
        actions.push(`skipped the backup ${backup}: ${error.message}`);
      }
    }
    actions.push("there is no backup to restore");
    return { session_id: id, recovered: false, actions, backup: null, quarantined };
  }
}
