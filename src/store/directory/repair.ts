/**
 * Diagnoses a session, and repairs it without losing anything: a readable session after a backup, an
 * unreadable file by moving it to quarantine and restoring the newest backup.
 */

import { yieldIfDue } from "../../async/slices.ts";
import type { Recovery, Validation } from "../../contract/replies.ts";
import { isSessiondError } from "../../error.ts";
import { diagnose, type Finding, repair } from "../../session/diagnosis.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../session-store.ts";
import type { Quarantine } from "./changes/quarantine.ts";
import type { SessionChanges } from "./changes/session-changes.ts";
import type { FileCatalog } from "./view/file-catalog.ts";

export interface RepairParts {
  sessions: SessionChanges;
  quarantine: Quarantine;
  catalog: FileCatalog;
}

type RepairableStore = Pick<SessionStore, "read" | "backup" | "listBackups" | "restoreBackup">;

export async function validateSession(
  id: SessionId,
  store: RepairableStore,
  catalog: FileCatalog,
): Promise<Validation> {
  const findings: Finding[] = [];
  try {
    const { session } = await store.read(id);
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
  return { session_id: id, valid: findings.length === 0, findings };
}

export async function repairSession(
  id: SessionId,
  store: RepairableStore,
  parts: RepairParts,
): Promise<Recovery> {
  const { sessions, quarantine, catalog } = parts;
  const { findings } = await validateSession(id, store, catalog);
  if (findings.some((finding) => finding.code === "unreadable")) return repairUnreadable(id, store, parts);

  const actions: string[] = [];
  let backup: string | null = null;
  let quarantined: string | null = null;
  if (findings.some((finding) => finding.repairable)) {
    ({ backup } = await store.backup(id));
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

async function repairUnreadable(
  id: SessionId,
  store: RepairableStore,
  parts: RepairParts,
): Promise<Recovery> {
  const { quarantine, catalog } = parts;
  const file = catalog.unreadableFor(id);
  // Another program has repaired the file since it was diagnosed.
  const quarantined = file === undefined ? undefined : await quarantine.add(file);
  if (quarantined === undefined) return repairSession(id, store, parts);
  const actions = [`moved the unreadable ${file} to ${quarantined}`];
  const backups = await store.listBackups(id).catch((error: unknown) => {
    if (isSessiondError(error, "session_not_found", "session_deleted")) return [];
    throw error;
  });
  for (const { backup } of backups) {
    try {
      await store.restoreBackup(id, backup);
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
