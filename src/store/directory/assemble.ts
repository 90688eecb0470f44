/** The parts of a directory store, put together. Which part knows which is decided here and nowhere else. */

import { KeyedQueue } from "../../async/keyed-queue.ts";
import type { Logger } from "../../log.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Clock } from "../../time/clock.ts";
import { LeaseTable } from "../lease-table.ts";
import { Backups } from "./backups.ts";
import { Reports } from "./changes/reports.ts";
import { SessionFiles } from "./changes/session-files.ts";
import { SessionTurns } from "./changes/session-turns.ts";
import { createWriteBehind } from "./changes/write-session-file.ts";
import { DurableFiles } from "./disk/durable-files.ts";
import type { FileSystem } from "./disk/file-system.ts";
import type { OwnDirectories } from "./disk/own-directories.ts";
import { StorageState } from "./disk/storage-state.ts";
import { Journal } from "./journal/journal.ts";
import { directoryRecords } from "./records.ts";
import { LiveSessions } from "./reported/reported-sessions.ts";
import { Trash } from "./trash/trash.ts";
import { TrashFiles } from "./trash/trash-files.ts";
import { DirectoryView } from "./view/directory-view.ts";
import { IndexSaver } from "./view/index-saver.ts";

/** Where the sessions are, and how they are written and watched. */
export interface DirectoryStorage {
  readonly kind: "directory";
  readonly directory: string;
  /** How often everything is compared with the directory, in case a hint was lost. */
  readonly rescanIntervalMs: number;
  /** How far the JSON file of a small session may lag behind what is reported; of a large one, in proportion. */
  readonly maxLagMs?: number;
  /** Let backups be written to and read from anywhere, for a caller with rights of its own. */
  readonly outsideBackups?: boolean;
}

export interface DirectoryStoreOptions extends Omit<DirectoryStorage, "kind"> {
  clock: Clock;
  logger: Logger;
  /** By default that of the machine. */
  fileSystem?: FileSystem;
}

export interface AssemblyOptions extends DirectoryStoreOptions {
  fs: FileSystem;
}

const defaultMaxLagMs = 1000;

export type StoreParts = ReturnType<typeof assembleStore>;

export function assembleStore(options: AssemblyOptions, own: OwnDirectories) {
  const { fs, directory, clock, logger, outsideBackups = false, maxLagMs = defaultMaxLagMs } = options;
  const state = new StorageState(logger);
  const fail = (error: Error) => state.fail(error);
  const assertWritable = () => state.assertWritable();
  const queue = new KeyedQueue();
  const files = new DurableFiles(
    fs,
    own.staging,
    [directory, own.base, own.trash, own.quarantine, own.journal],
    fail,
  );
  const journal = new Journal({ directory: own.journal, fs, files, onFailure: fail });
  const lives: LiveSessions = new LiveSessions({
    journal,
    maxLagMs,
    clock,
    onOutcome: (error) => state.recordOutcome(error),
    onReport: (id, summary) => view.catalog.index.defer(id, summary),
    onDue: (id) => writeBehind(id as SessionId),
  });
  const trashFiles = new TrashFiles(fs, own.trash, files);
  const isRestorable = (id: string) => trashFiles.has(id);
  const view = new DirectoryView({ ...options, onReplaced: fail, outside: lives, isRestorable }, queue);
  const saver = new IndexSaver({ directory: own.base, fs, files, catalog: view.catalog, logger });
  const backups = new Backups(fs, directory, outsideBackups, files);
  const records = directoryRecords({
    fs,
    directory: own.base,
    quarantine: own.quarantine,
    files,
    logger,
    assertWritable,
  });
  const leases = new LeaseTable(records, (id) => {
    assertWritable();
    sessions.summary(id);
  });
  const turns = new SessionTurns({ queue, view, lives });
  const sessions: SessionFiles = new SessionFiles({
    fs,
    directory,
    quarantine: own.quarantine,
    files,
    view,
    turns,
    lives,
    complete: (id, file) => reports.complete(id, file),
    clock,
    isDeleted: isRestorable,
    assertWritable,
  });
  const reports = new Reports({ view, lives, sessions, turns, leases, state });
  const writeBehind = createWriteBehind({ state, reports, journal, logger });
  const trash = new Trash({ directory, files: trashFiles, sessions, turns, view, clock });
  return {
    state,
    queue,
    files,
    journal,
    lives,
    leases,
    view,
    saver,
    backups,
    records,
    sessions,
    reports,
    writeBehind,
    trash,
  };
}
