/**
 * Puts the parts of a directory store together. Only this file decides which part knows which; each part is
 * given those that were made before it.
 */

import { KeyedQueue } from "../../async/keyed-queue.ts";
import { SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { Clock } from "../../time/clock.ts";
import { LeaseTable } from "../lease-table.ts";
import { SessionIndex } from "../session-index.ts";
import { Backups } from "./backups.ts";
import { SessionClaims } from "./changes/claims.ts";
import { CurrentDocuments } from "./changes/current-document.ts";
import { KnownSessions } from "./changes/known-sessions.ts";
import { Quarantine } from "./changes/quarantine.ts";
import { Reports } from "./changes/reports.ts";
import { SessionChanges } from "./changes/session-changes.ts";
import { SessionCommands } from "./changes/session-commands.ts";
import { SessionSlots } from "./changes/session-slots.ts";
import { SessionTurns } from "./changes/session-turns.ts";
import { SessionFileWriter } from "./changes/write-session-file.ts";
import { DurableFiles } from "./disk/durable-files.ts";
import type { FileSystem } from "./disk/file-system.ts";
import type { OwnDirectories } from "./disk/own-directories.ts";
import { OwnPlace } from "./disk/own-place.ts";
import { StateQuarantine } from "./disk/state-quarantine.ts";
import { StorageState } from "./disk/storage-state.ts";
import { Journal } from "./journal/journal.ts";
import { directoryRecords } from "./records.ts";
import { Repair } from "./repair.ts";
import type { ReportedSession } from "./reported/reported-session.ts";
import { WriteSchedule } from "./reported/write-schedule.ts";
import { Trash } from "./trash/trash.ts";
import { TrashFiles } from "./trash/trash-files.ts";
import { DirectoryFollower } from "./view/directory-follower.ts";
import { DirectoryView } from "./view/directory-view.ts";
import { hasSavedIndex, IndexSaver } from "./view/index-saver.ts";

/** Where the sessions are, and how they are written and watched. */
export interface DirectoryStorage {
  readonly kind: "directory";
  readonly directory: string;
  /** How often everything is compared with the directory, in case a hint was lost. */
  readonly rescanIntervalMs: number;
  /**
   * How far the JSON file of a small session may lag behind what is reported; of a large one, in proportion.
   */
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
  const files = new DurableFiles(
    fs,
    own.staging,
    [directory, own.base, own.trash, own.quarantine, own.journal],
    fail,
  );
  const stateQuarantine = new StateQuarantine({ fs, directory: own.quarantine, logger });
  const kept = { fs, files, quarantine: stateQuarantine };
  // A start that comes to saving the index has begun a journal.
  const isNew = !hasSavedIndex(fs, own.base);
  const journal = new Journal({
    ...kept,
    directory: own.journal,
    isNew,
    isClaimedBefore: (sequence) => claims.isClaimedBefore(sequence),
    onFailure: fail,
    onLost: (why) => lose(why),
    whyDirectoryIsLost: () => ownPlace.whyLost(),
  });
  const ownPlace = new OwnPlace({
    ...{ fs, own, files, logger },
    whyJournalIsLost: () => journal.whyLost(),
    onLost: (why) => void lose(why),
  });
  let rescue = () => {};
  const lost = new Promise<void>((resolve) => {
    rescue = resolve;
  });
  /** While the sessions directory is away, so is everything in it, and it may come back. */
  const lose = (why: string) => {
    if (!view.place.isHeld()) return { error: view.place.away(), isForGood: false };
    const message = `${why}: reports can be kept no more`;
    const error = new SessiondError("storage_failed", message, { outcome: "unknown" });
    journal.lose(error);
    state.fail(error, "stop the other program, then restart sessiond");
    rescue();
    return { error, isForGood: true };
  };
  const backups = new Backups(fs, directory, outsideBackups, files);
  const trashFiles = new TrashFiles(fs, own.trash, files);
  const records = directoryRecords({
    fs,
    directory: own.base,
    quarantine: stateQuarantine,
    files,
    assertWritable,
  });

  const index = new SessionIndex();
  const schedule = new WriteSchedule<ReportedSession>(maxLagMs);
  const reporting = { journal, index, schedule, state, clock };
  const slots = new SessionSlots(reporting, (id) => claims.forget(id));
  const queue = new KeyedQueue();
  const isRestorable = (id: string) => trashFiles.has(id);
  const onReplaced = (error: Error) => {
    fail(error);
    rescue();
  };
  const view = new DirectoryView({ ...options, index, outside: slots, isRestorable, onReplaced }, queue);
  const follower = new DirectoryFollower(options, view);
  const saver = new IndexSaver({ ...kept, directory: own.base, catalog: view.catalog, logger });
  const known = new KnownSessions(view, isRestorable);
  const leases = new LeaseTable({
    records,
    clock,
    admit(id) {
      assertWritable();
      return known.summary(id);
    },
    onReleased: (held) => claims.released(held),
  });

  const claims = new SessionClaims({ slots, leases, journal, state });

  const shared = { fs, directory, clock, logger, state, files, journal, view, slots, known, leases, claims };
  const turns = new SessionTurns({ view, slots });
  const documents = new CurrentDocuments(shared);
  const writer = new SessionFileWriter({ ...shared, turns });
  const quarantine = new Quarantine({ ...shared, quarantine: own.quarantine, turns });
  const reports = new Reports({ ...shared, turns, documents, writer });
  const sessions = new SessionChanges({ ...shared, turns, documents, writer, quarantine });
  const commands = new SessionCommands({ ...shared, sessions, quarantine });
  const { catalog } = view;
  const repair = new Repair({ ...shared, backups, catalog, quarantine, sessions, commands, writer });
  const trash = new Trash({ directory, files: trashFiles, known, turns, view, clock });
  return {
    state,
    stateQuarantine,
    ownPlace,
    lost,
    files,
    journal,
    records,
    slots,
    queue,
    view,
    follower,
    saver,
    known,
    leases,
    claims,
    writer,
    reports,
    sessions,
    commands,
    repair,
    quarantine,
    trash,
  };
}
