/**
 * A whole SessionStore in memory, for tests to which files add nothing. Each change is made at the call,
 * unless a fault that a test asked for comes first.
 */
import type {
  Backup,
  HealthProblem,
  ProgressReply,
  Recovery,
  Restored,
  Validation,
} from "../../../src/contract/replies.ts";
import { SessiondError } from "../../../src/error.ts";
import { assertMayAdd } from "../../../src/session/additions.ts";
import { applyCommand, type Command, type ProgressDelta } from "../../../src/session/command.ts";
import { diagnose, repair } from "../../../src/session/diagnosis.ts";
import { filesToRequeue } from "../../../src/session/requeue.ts";
import {
  type NewSession,
  newSession,
  type Session,
  type SessionSummary,
  writtenRevision,
} from "../../../src/session/session.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import { admitReport } from "../../../src/store/admit-report.ts";
import { alwaysThere } from "../../../src/store/availability.ts";
import { allAreCandidates } from "../../../src/store/candidates.ts";
import { assertExpected, isReporting, sessionExists } from "../../../src/store/change-conditions.ts";
import { newGeneration } from "../../../src/store/generation.ts";
import { leaseHeld } from "../../../src/store/lease-refusals.ts";
import { LeaseTable } from "../../../src/store/lease-table.ts";
import type {
  ChangeOptions,
  Changes,
  ListQuery,
  ProgressOptions,
  Records,
  RemoveOptions,
  SaveOptions,
  SessionStore,
  StoredSession,
  StoreFacts,
} from "../../../src/store/session-store.ts";
import { type Clock, formatTimestamp, systemClock } from "../../../src/time/clock.ts";
import { Faults, type Operation } from "./faults.ts";
import { exactCopy, type Memory, newMemory } from "./memory.ts";
import { MemoryBackups } from "./memory-backups.ts";
import { MemoryClaims } from "./memory-claims.ts";
import { memoryRecords } from "./memory-records.ts";
import { MemorySessions } from "./memory-sessions.ts";
import { MemorySlots } from "./memory-slots.ts";
import { MemoryTrash } from "./memory-trash.ts";

export interface MemoryStoreOptions {
  clock?: Clock;
  /** That of an earlier store, as after a restart. */
  memory?: Memory;
}

export async function openMemoryStore(options: MemoryStoreOptions = {}): Promise<MemoryStore> {
  const store = new MemoryStore(options);
  await store.leases.load();
  return store;
}

export class MemoryStore implements SessionStore {
  readonly memory: Memory;
  readonly faults = new Faults();
  readonly records: Records;
  readonly leases: LeaseTable;
  readonly claims: MemoryClaims;
  readonly slots = new MemorySlots();
  readonly removalsAtOnce = 8;
  readonly availability = alwaysThere;
  readonly clock: Clock;
  /** Memory does not fail. */
  readonly failed = new Promise<Error>(() => {});
  readonly #sessions: MemorySessions;
  readonly #trash: MemoryTrash;
  readonly #backups: MemoryBackups;
  readonly #underWay = new Set<Promise<unknown>>();
  #turn: Promise<void> | undefined;
  #isClosing = false;

  /** `openMemoryStore` takes up the leases, too, that an earlier store left. */
  constructor({ clock = systemClock(), memory = newMemory() }: MemoryStoreOptions = {}) {
    this.clock = clock;
    this.memory = memory;
    this.#trash = new MemoryTrash(memory);
    this.#backups = new MemoryBackups(memory);
    this.#sessions = new MemorySessions(memory, (id) => this.#trash.has(id));
    this.records = memoryRecords(memory, this.faults, () => this.#assertWritable());
    this.leases = new LeaseTable({
      records: this.records,
      clock,
      admit: (id) => {
        this.#assertWritable();
        return this.#sessions.summary(id);
      },
      onReleased: (held) => this.claims.released(held),
    });
    this.claims = new MemoryClaims({
      memory,
      sessions: this.#sessions,
      leases: this.leases,
      change: (id, make) => this.#change("claims", id, make),
    });
  }

  get changes(): Changes {
    return this.#sessions.index;
  }

  create(input: NewSession): Promise<StoredSession> {
    const { session_id } = input;
    return this.#change("create", session_id, () => {
      if (this.#sessions.has(session_id)) throw sessionExists(session_id, "choose another id");
      const session = newSession(exactCopy(input), newGeneration(), this.#now());
      assertMayAdd(session);
      return this.#sessions.add(session);
    });
  }

  async read(id: SessionId): Promise<StoredSession> {
    return this.#sessions.stored(id);
  }

  apply(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<StoredSession> {
    return this.#change("apply", id, () => this.#apply(id, command, options));
  }

  async change(id: SessionId, command: Command, options: ChangeOptions = {}): Promise<SessionSummary> {
    return (await this.apply(id, command, options)).summary;
  }

  report(id: SessionId, delta: ProgressDelta, { epoch }: ProgressOptions = {}): Promise<ProgressReply> {
    return this.#change("report", id, () => {
      const kept = this.#sessions.get(id);
      const held = this.leases.assertMayReport(id, epoch);
      const admitted = held?.lease.shared ? admitReport(this.claims.reporter(id, held.id), delta) : delta;
      const reply = kept.report(exactCopy(admitted), this.#now());
      this.claims.reported(id, admitted);
      this.#sessions.reported(id, kept);
      return reply;
    });
  }

  save(session: Session, options: SaveOptions = {}): Promise<StoredSession & { created: boolean }> {
    return this.#change("save", session.session_id, () => this.#save(session, options));
  }

  remove(id: SessionId, options: RemoveOptions) {
    const { purge = false, force = false, reason } = options;
    return this.#change("remove", id, () => {
      const { session, summary } = this.#sessions.stored(id);
      assertExpected(summary, options);
      const [held] = this.leases.heldFor(id);
      if (held !== undefined && !force) throw leaseHeld(held.lease);
      const trash_id = purge ? null : this.#trash.add(session, summary, reason, this.clock.now());
      this.leases.drop(id);
      this.#sessions.takeOut(summary, "removed");
      return { session_id: id, purged: purge, trash_id, bytes: summary.bytes };
    });
  }

  async summary(id: SessionId): Promise<SessionSummary> {
    return this.#sessions.summary(id);
  }

  async has(id: SessionId): Promise<boolean> {
    return this.#sessions.has(id);
  }

  list(query: ListQuery = {}) {
    return this.#sessions.index.list(query, this.clock.now());
  }

  async stats() {
    return this.#sessions.index.stats();
  }

  summaries(): AsyncIterable<SessionSummary[]> {
    return this.#sessions.index.summaries();
  }

  async candidates() {
    return allAreCandidates(this.summaries());
  }

  backup(id: SessionId, destination?: string): Promise<Backup> {
    return this.#change("backup", id, () =>
      this.#backups.add(this.#sessions.get(id).session, destination, this.clock.now()),
    );
  }

  async listBackups(id: SessionId): Promise<Backup[]> {
    const backups = this.#backups.list(id);
    if (backups.length === 0) this.#sessions.get(id);
    return backups;
  }

  restoreBackup(id: SessionId, backup: string): Promise<Restored> {
    return this.#change("restoreBackup", id, () => {
      const session = this.#backups.read(id, backup);
      if (!this.#sessions.has(id)) return { session: this.#save(session, {}, true).summary, previous: null };
      this.leases.assertMayReport(id, undefined);
      const current = this.#sessions.get(id).session;
      const { backup: previous } = this.#backups.add(current, undefined, this.clock.now());
      return { session: this.#apply(id, { type: "save", session, isRestored: true }, {}).summary, previous };
    });
  }

  async validate(id: SessionId): Promise<Validation & Pick<Session, "run">> {
    const { session } = this.#sessions.get(id);
    const findings = diagnose(session);
    return { session_id: id, valid: findings.length === 0, findings, run: session.run };
  }

  recover(id: SessionId): Promise<Recovery> {
    return this.#change("recover", id, () => {
      const { session, summary } = this.#sessions.stored(id);
      const findings = diagnose(session);
      let backup: string | null = null;
      if (findings.some(({ repairable }) => repairable)) {
        ({ backup } = this.#backups.add(session, undefined, this.clock.now()));
        this.#sessions.put({ ...repair(session), revision: summary.revision + 1 });
      }
      const actions = findings.map(({ repairable, message }) =>
        repairable ? `put right: ${message}` : `left as it is: ${message}`,
      );
      return { session_id: id, recovered: true, actions, backup, quarantined: null };
    });
  }

  async listTrash() {
    return this.#trash.list();
  }

  restoreTrash(id: SessionId, trashId?: string): Promise<SessionSummary> {
    return this.#change("restoreTrash", id, () => {
      const trashed = this.#trash.find(id, trashId);
      if (trashed === undefined) throw new SessiondError("session_not_found", `"${id}" is not in the trash`);
      if (this.#sessions.has(id)) throw sessionExists(id, "purge it first");
      this.#trash.takeOut(trashed);
      return this.#sessions.giveBack(trashed.session).summary;
    });
  }

  emptyTrash(olderThanMs = 0, only?: ReadonlySet<string>) {
    const limit = olderThanMs === 0 ? undefined : this.clock.now() - olderThanMs * 1000;
    return this.#change("emptyTrash", "", () => this.#trash.empty(limit, only));
  }

  async health(): Promise<HealthProblem[]> {
    return [...this.faults.problems];
  }

  async facts(): Promise<StoreFacts> {
    return { kind: "memory", location: "memory" };
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#underWay);
  }

  /** Another program puts a document in place: of a new session, or of one that is there. */
  putOutside(document: Session): SessionSummary {
    const session = exactCopy(document);
    const { index } = this.#sessions;
    const known = index.get(session.session_id);
    if (known === undefined) return index.from("outside", () => this.#sessions.add(session).summary);
    const revision = Math.max(writtenRevision(session), known.revision + 1);
    return index.from("outside", () => this.#sessions.put({ ...session, revision }).summary);
  }

  /** Another program takes a session away. */
  removeOutside(id: SessionId): void {
    const summary = this.#sessions.summary(id);
    this.#sessions.index.from("outside", () => this.#sessions.takeOut(summary, "gone"));
  }

  #now(): string {
    return formatTimestamp(this.clock.now());
  }

  #assertWritable(): void {
    if (this.#isClosing) throw new SessiondError("shutting_down", "the store is being closed");
  }

  /** A change is made at once, and resolves in the next turn of the event loop: no store is quicker. */
  #change<T>(operation: Operation, subject: string, make: () => T): Promise<T> {
    const change = (async () => {
      this.#assertWritable();
      const result = await this.faults.around(operation, subject, make);
      await this.#nextTurn();
      return result;
    })();
    this.#underWay.add(change);
    const ended = () => void this.#underWay.delete(change);
    change.then(ended, ended);
    return change;
  }

  /** Changes of one turn resolve together, as they share one sync where there is a disk. */
  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        resolve();
      });
    });
    return this.#turn;
  }

  #apply(id: SessionId, command: Command, options: ChangeOptions): StoredSession {
    const stored = this.#sessions.stored(id);
    const admitted = this.#admitted(id, command, options.epoch);
    assertExpected(stored.summary, options);
    const next = applyCommand(stored.session, exactCopy(admitted), this.#now());
    if (next === stored.session) return stored;
    return this.#sessions.put({ ...next, revision: stored.summary.revision + 1 });
  }

  /** The command, without what a shared lease has reported before. */
  #admitted(id: SessionId, command: Command, epoch: number | undefined): Command {
    if (!isReporting(command)) return command;
    if (command.type === "requeue") {
      this.leases.assertMayRequeue(id, epoch);
      this.claims.of(id).assertFree(id, filesToRequeue(this.#sessions.stored(id).session, command));
      return command;
    }
    const held = this.leases.assertMayReport(id, epoch);
    if (command.type !== "progress" || !held?.lease.shared) return command;
    return { ...command, delta: admitReport(this.claims.reporter(id, held.id), command.delta) };
  }

  #save(session: Session, options: SaveOptions, isRestored = false): StoredSession & { created: boolean } {
    const id = session.session_id as SessionId;
    const { ifAbsent, ifPresent, ...conditions } = options;
    const isConditional = conditions.ifSeen !== undefined || ifPresent === true;
    if (!this.#sessions.has(id) && !isConditional) {
      if (!isRestored) assertMayAdd(session);
      return { ...this.#sessions.add({ ...exactCopy(session), generation: newGeneration() }), created: true };
    }
    if (ifAbsent) throw new SessiondError("revision_mismatch", `session "${id}" exists`);
    return { ...this.#apply(id, { type: "save", session, isRestored }, conditions), created: false };
  }
}
