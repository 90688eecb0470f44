/**
 * What callers ask of sessions: to create, read, change, save and remove them. Decides who may ask. The log
 * makes the outcome durable.
 *
 * The room store/postgres/changes/ owns every change of a session but reports, claims and leases: commands,
 * the trash, backups and repairs. It does not know how a row or a document is written.
 */
import type { Removed } from "../../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../../error.ts";
import { assertMayAdd } from "../../../session/additions.ts";
import { applyCommand, type Command } from "../../../session/command.ts";
import { mergeLargeResults } from "../../../session/merge-large-results.ts";
import { filesToRequeue } from "../../../session/requeue.ts";
import {
  type NewSession,
  newSession,
  type Session,
  type SessionSummary,
  writtenRevision,
} from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { admitReportInSlices } from "../../admit-report.ts";
import { assertExpected, isReporting, sessionExists } from "../../change-conditions.ts";
import { newGeneration } from "../../generation.ts";
import { leaseHeld } from "../../lease-refusals.ts";
import { assertMayReport, assertMayRequeue } from "../../lease-rules.ts";
import type { ChangeOptions, RemoveOptions, SaveOptions, StoredSession } from "../../session-store.ts";
import type { Queryable } from "../connection/database.ts";
import type { LockedRow, Log, SessionCopy } from "../log/log.ts";
import { pastRevision } from "./known-ids.ts";
import { newTrashId } from "./trash.ts";

export interface SessionCommandsOptions {
  log: Log;
  database: Queryable;
  clock: Clock;
}

/** Another host has deleted a session of the same id meanwhile. */
class OutdatedRevisionError extends Error {}

export type Saved = StoredSession & { created: boolean };

/** How often a save looks again whether there is a session, while others create and delete it. */
const saveAttempts = 20;

export class SessionCommands {
  readonly #options: SessionCommandsOptions;

  constructor(options: SessionCommandsOptions) {
    this.#options = options;
  }

  async create(input: NewSession): Promise<StoredSession> {
    const session = newSession(input, newGeneration(), this.now());
    assertMayAdd(session);
    const created = await this.createFrom(session);
    if (created === undefined)
      throw sessionExists(input.session_id, "choose another id, or work on that one");
    return created;
  }

  /** Makes a session of a document, at a revision that none of its id had. Undefined if there is one. */
  async createFrom(session: Session): Promise<StoredSession | undefined> {
    let past = await pastRevision(this.#options.database, session.session_id);
    for (;;) {
      const fresh = { ...session, revision: Math.max(writtenRevision(session), past + 1) };
      try {
        const summary = await this.#options.log.create(fresh, async (tx) => {
          // Whoever was deleting a session of this id has ended.
          past = await pastRevision(tx, session.session_id);
          if (past >= fresh.revision) throw new OutdatedRevisionError();
        });
        return summary && { session: fresh, summary };
      } catch (error) {
        if (!(error instanceof OutdatedRevisionError)) throw error;
      }
    }
  }

  read(id: SessionId): Promise<StoredSession> {
    return this.#options.log.read(id, async (copy) => {
      // Before it waits: reports go on while a large session is put together.
      const summary = copy.summary();
      return { summary, session: await copy.working.toSession() };
    });
  }

  /** As `SessionStore.change`. Transitions, edits and saves read no list of the session. */
  change(id: SessionId, command: Command, options: ChangeOptions): Promise<SessionSummary> {
    const { log } = this.#options;
    if (isOfFrame(command))
      return log.change(id, "row", async (row) => {
        await this.#changeFrame(row, command, options);
        return row.summary;
      });
    return log.change(id, "copy", async (row) => (await this.#changeDocument(row, command, options)).summary);
  }

  apply(id: SessionId, command: Command, options: ChangeOptions): Promise<StoredSession> {
    return this.#options.log.change(id, "copy", async (row) => {
      if (!isOfFrame(command)) return this.#changeDocument(row, command, options);
      const { processed_files, pending_files, partial_results } = await wholeSession(row);
      const frame = await this.#changeFrame(row, command, options);
      const session = { ...frame, processed_files, pending_files, partial_results };
      return { session, summary: row.summary };
    });
  }

  /** As `SessionStore.save`. With `isRestored` the limits of requests do not bind the document. */
  async save(session: Session, options: SaveOptions, isRestored = false): Promise<Saved> {
    const { ifAbsent, ifPresent, ...conditions } = options;
    const mayCreate = conditions.ifSeen === undefined && ifPresent !== true;
    for (let attempt = 1; attempt <= saveAttempts; attempt++) {
      const saved = ifAbsent ? undefined : await this.#saveOver(session, conditions, isRestored, mayCreate);
      if (saved !== undefined) return { ...saved, created: false };
      if (!isRestored) assertMayAdd(session);
      const created = await this.createFrom({ ...session, generation: newGeneration() });
      if (created !== undefined) return { ...created, created: true };
      if (ifAbsent) throw new SessiondError("revision_mismatch", `session "${session.session_id}" exists`);
    }
    const message = `others keep creating and deleting "${session.session_id}"; try again`;
    throw new SessiondError("storage_failed", message);
  }

  async remove(id: SessionId, options: RemoveOptions): Promise<Removed & { bytes: number }> {
    const { log, clock } = this.#options;
    const { purge = false, force = false, reason } = options;
    const check = (summary: SessionSummary, leases: LockedRow["leases"]) => {
      assertExpected(summary, options);
      if (!force) for (const { lease } of leases.values()) throw leaseHeld(lease);
    };
    const trash_id = purge ? null : newTrashId(clock.now());
    const { bytes } =
      trash_id !== null
        ? await log.remove(id, { trashId: trash_id, reason, check })
        : await log.change(id, "row", async (row) => {
            check(row.summary, row.leases);
            await row.purge();
            return row.summary;
          });
    return { session_id: id, purged: purge, trash_id, bytes };
  }

  /** Replaces the document of a session that is locked. */
  async replace(row: LockedRow, session: Session, isRestored: boolean): Promise<StoredSession> {
    const command = { type: "save", session, isRestored } as const;
    const next = withNextRevision(row, applyCommand(row.frame, command, this.now()));
    await row.replace(next);
    return { session: next, summary: row.summary };
  }

  now(): string {
    return formatTimestamp(this.#options.clock.now());
  }

  /** Undefined if there is no such session and it may be created. */
  async #saveOver(
    session: Session,
    conditions: ChangeOptions,
    isRestored: boolean,
    mayCreate: boolean,
  ): Promise<StoredSession | undefined> {
    const id = session.session_id as SessionId;
    try {
      return await this.#options.log.change(id, "row", (row) => {
        assertMayReport(id, row.leases, conditions.epoch);
        assertExpected(row.summary, conditions);
        return this.replace(row, session, isRestored);
      });
    } catch (error) {
      if (mayCreate && isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
      throw error;
    }
  }

  async #changeFrame(row: LockedRow, command: Command, options: ChangeOptions): Promise<Session> {
    assertExpected(row.summary, options);
    const { frame } = row;
    const changed = applyCommand(frame, command, this.now());
    if (changed === frame) return frame;
    const next = withNextRevision(row, changed);
    await row.setFrame(next);
    return next;
  }

  async #changeDocument(row: LockedRow, command: Command, options: ChangeOptions): Promise<StoredSession> {
    const { id, leases, summary } = row;
    const { epoch } = options;
    const held = command.type === "requeue" ? undefined : assertMayReport(id, leases, epoch);
    if (command.type === "requeue") assertMayRequeue(id, leases, epoch);
    assertExpected(summary, options);
    if (command.type === "save") return this.replace(row, command.session, command.isRestored ?? false);
    const copy = copyOf(row);
    const session = await wholeSession(row);
    const [before, rest] = await mergeLargeResults(session, command);
    if (command.type === "requeue") copy.claimed.assertFree(id, filesToRequeue(session, command));
    const lease = held?.lease.shared ? held.id : undefined;
    const admitted = lease === undefined ? rest : await admittedTo(copy, lease, rest);
    const changed = applyCommand(before, admitted, this.now());
    if (changed === session) return { session, summary };
    const next = withNextRevision(row, changed);
    await row.replace(next);
    return { session: next, summary: row.summary };
  }
}

/** Whether a command neither reads nor changes the lists and results. */
function isOfFrame(command: Command): boolean {
  return !isReporting(command);
}

/** The command, without what a shared lease has reported before. @throws SessiondError `not_claimed` */
async function admittedTo(copy: SessionCopy, lease: number, command: Command): Promise<Command> {
  if (command.type !== "progress") return command;
  const { id, claimed, working } = copy;
  const reporter = { id, claimed, lease, files: () => working.files };
  return { ...command, delta: await admitReportInSlices(reporter, command.delta) };
}

/** The document of a session that was locked with its copy. */
export async function wholeSession(row: LockedRow): Promise<Session> {
  const session = await copyOf(row).working.toSession();
  return { ...session, revision: row.summary.revision };
}

export function withNextRevision({ summary }: LockedRow, next: Session): Session {
  return { ...next, revision: summary.revision + 1 };
}

function copyOf({ copy }: LockedRow): SessionCopy {
  if (copy === undefined) throw new Error("the row was locked without its copy");
  return copy;
}
