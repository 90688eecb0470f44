/**
 * What callers ask of sessions, as changes of their documents: commands, and saves that replace a document or
 * create it. Decides who may ask; does not know how a document is read or written.
 */
import { KeyedQueue } from "../../../async/keyed-queue.ts";
import { isSessiondError, SessiondError } from "../../../error.ts";
import { assertMayAdd } from "../../../session/additions.ts";
import { applyCommand, type Command } from "../../../session/command.ts";
import { mergeLargeResults } from "../../../session/merge-large-results.ts";
import { filesToRequeue } from "../../../session/requeue.ts";
import { type NewSession, newSession, type Session, writtenRevision } from "../../../session/session.ts";
import type { SessionId } from "../../../session/session-id.ts";
import { type Clock, formatTimestamp } from "../../../time/clock.ts";
import { isReporting } from "../../change-conditions.ts";
import { newGeneration, standInGeneration } from "../../generation.ts";
import type { HeldLease } from "../../lease-rules.ts";
import type { LeaseTable } from "../../lease-table.ts";
import type { ChangeOptions, SaveOptions, StoredSession } from "../../session-store.ts";
import type { StorageState } from "../disk/storage-state.ts";
import type { SessionClaims } from "./claims.ts";
import type { KnownSessions } from "./known-sessions.ts";
import type { Quarantine } from "./quarantine.ts";
import type { SessionChanges } from "./session-changes.ts";
import type { SessionSlots } from "./session-slots.ts";

export interface SessionCommandsOptions {
  state: StorageState;
  known: KnownSessions;
  slots: SessionSlots;
  sessions: SessionChanges;
  quarantine: Quarantine;
  leases: LeaseTable;
  claims: SessionClaims;
  clock: Clock;
}

export type Saved = StoredSession & { created: boolean };

/** How often a save looks again whether there is a session, while others create and delete it. */
const saveAttempts = 20;

export class SessionCommands {
  readonly #options: SessionCommandsOptions;
  readonly #creations = new KeyedQueue();

  constructor(options: SessionCommandsOptions) {
    this.#options = options;
  }

  async create(input: NewSession): Promise<StoredSession> {
    const session = newSession(input, newGeneration(), this.now());
    assertMayAdd(session);
    return this.creating(input.session_id, () => this.#options.sessions.create(session));
  }

  apply(id: SessionId, command: Command, options: ChangeOptions): Promise<StoredSession> {
    const { known, sessions, state } = this.#options;
    const change = isReporting(command) ? "replace" : "change";
    return state.runChange(async () => {
      // Before anything is written for the command.
      if (known.has(id)) this.#assertMay(id, command, options.epoch);
      return sessions[change](id, options, async (session) => {
        const [before, rest] = await mergeLargeResults(session, command);
        const lease = this.#assertMay(id, command, options.epoch);
        return applyCommand(before, this.#admitted(before, rest, lease), this.now());
      });
    });
  }

  /** Returns the lease under which the command is made. @throws SessiondError `lease_held`, `lease_lost` */
  #assertMay(id: SessionId, command: Command, epoch: number | undefined): HeldLease | undefined {
    const { leases } = this.#options;
    if (!isReporting(command)) return undefined;
    if (command.type !== "requeue") return leases.assertMayReport(id, epoch);
    leases.assertMayRequeue(id, epoch);
    return undefined;
  }

  /** The command, without what a shared lease has reported before. @throws SessiondError `not_claimed` */
  #admitted(session: Session, command: Command, held: HeldLease | undefined): Command {
    const { claims } = this.#options;
    if (command.type === "requeue") claims.assertFree(session, filesToRequeue(session, command));
    if (command.type !== "progress" || !held?.lease.shared) return command;
    return { ...command, delta: claims.admitTo(session, held.id, command.delta) };
  }

  save(session: Session, options: SaveOptions): Promise<Saved> {
    return this.#save(session, options, false);
  }

  /** As `save`, of a document that was stored before. */
  restore(session: Session): Promise<Saved> {
    return this.#save(session, {}, true);
  }

  async #save(
    session: Session,
    { ifAbsent, ifPresent, ...conditions }: SaveOptions,
    isRestored: boolean,
  ): Promise<Saved> {
    const id = session.session_id as SessionId;
    const isConditional = conditions.ifSeen !== undefined || ifPresent === true;
    return this.#whileOthersCreate(id, isConditional, async () => {
      if (!this.#options.known.exists(id) && !isConditional) {
        if (!isRestored) assertMayAdd(session);
        return this.#saveNew({ ...session, generation: newGeneration() }, "create");
      }
      if (ifAbsent) throw new SessiondError("revision_mismatch", `session "${id}" exists`);
      this.#options.known.assertExpected(id, conditions);
      return this.#saveOver(session, isRestored, conditions);
    });
  }

  /**
   * Saves a document in place of an unreadable one. It is given the reports that wait for the unreadable one.
   */
  putBack(session: Session): Promise<Saved> {
    const id = session.session_id as SessionId;
    return this.#whileOthersCreate(id, false, async () => {
      if (this.#options.known.exists(id)) return this.#saveOver(session, true, {});
      const waiting = this.#options.slots.find(id)?.reported?.generation ?? 0n;
      return this.#saveNew(
        { ...session, generation: standInGeneration(waiting, session.generation) },
        "putBack",
      );
    });
  }

  /** Creations of one id run one after another, whatever file each of them would use. */
  creating<T>(id: string, task: () => Promise<T>): Promise<T> {
    return this.#creations.run(id, () => this.#options.state.runChange(task));
  }

  /** Resolves when no creation is under way. */
  idle(): Promise<void> {
    return this.#creations.idle();
  }

  now(): string {
    return formatTimestamp(this.#options.clock.now());
  }

  async #saveOver(session: Session, isRestored: boolean, conditions: ChangeOptions): Promise<Saved> {
    const id = session.session_id as SessionId;
    // A file with an older state must not become the session because this document claims to be older still.
    await this.#options.quarantine.addDuplicates(id);
    const command = { type: "save", session, isRestored } as const;
    return { ...(await this.apply(id, command, conditions)), created: false };
  }

  async #saveNew(session: Session, how: "create" | "putBack") {
    const fresh = { ...session, revision: writtenRevision(session) };
    const create = () => this.#options.sessions[how](fresh);
    return { ...(await this.creating(session.session_id, create)), created: true };
  }

  /** Tries again when somebody else created or deleted the session a moment ago. */
  async #whileOthersCreate(
    id: SessionId,
    isConditional: boolean,
    attempt: () => Promise<Saved>,
  ): Promise<Saved> {
    for (let count = 1; ; count++) {
      try {
        return await attempt();
      } catch (error) {
        const isRace = isSessiondError(error, "session_exists")
          ? this.#options.known.has(id)
          : isSessiondError(error, "session_not_found", "session_deleted") && !isConditional;
        if (!isRace || count === saveAttempts) throw error;
      }
    }
  }
}
