/**
 * The workers' connections, by session and by lease. Each is told at once when the status of its session
 * changes.
 */
import { isSessiondError, SessiondError } from "../../error.ts";
import { isOtherGeneration, type SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore, StoreChange } from "../../store/session-store.ts";
import type { WorkerConnection } from "./worker-connection.ts";

export interface AttachedWorkersOptions {
  store: Pick<SessionStore, "summary" | "changes">;
  /** Called for a change of a session with workers, after they were told. */
  onChange: (summary: SessionSummary) => void;
  /** Called when a connection is closed because its session is gone. */
  onGone: (connection: WorkerConnection) => void;
}

export class AttachedWorkers {
  readonly #options: AttachedWorkersOptions;
  readonly #byEpoch = new Map<number, WorkerConnection>();
  readonly #bySession = new Map<string, Set<WorkerConnection>>();
  readonly #unsubscribe: (() => void)[];

  constructor(options: AttachedWorkersOptions) {
    this.#options = options;
    // One subscription for all connections, because it is called for every change of every session.
    const { changes } = options.store;
    this.#unsubscribe = [
      changes.subscribe((change) => this.#changed(change)),
      changes.onGap(() => {
        for (const connection of this) void this.#lookAgain(connection);
      }),
    ];
  }

  get size(): number {
    return this.#byEpoch.size;
  }

  get(epoch: number): WorkerConnection | undefined {
    return this.#byEpoch.get(epoch);
  }

  /** The connections of a session's workers. */
  of(id: string): readonly WorkerConnection[] {
    return [...(this.#bySession.get(id) ?? [])];
  }

  [Symbol.iterator](): IterableIterator<WorkerConnection> {
    return this.#byEpoch.values();
  }

  add(connection: WorkerConnection): void {
    const { id, epoch } = connection;
    this.#byEpoch.set(epoch, connection);
    const others = this.#bySession.get(id);
    if (others === undefined) this.#bySession.set(id, new Set([connection]));
    else others.add(connection);
    void this.#lookAgain(connection);
  }

  remove(connection: WorkerConnection): void {
    const { id, epoch } = connection;
    if (!this.#byEpoch.delete(epoch)) return;
    const others = this.#bySession.get(id);
    others?.delete(connection);
    if (others?.size === 0) this.#bySession.delete(id);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #changed({ session_id, after, gone }: StoreChange): void {
    const connections = this.#bySession.get(session_id);
    // A session that cannot be read is not gone: somebody may repair it.
    if (connections === undefined || gone?.cause === "unreadable") return;
    for (const connection of connections) this.#follow(connection, after);
    if (after !== undefined) this.#options.onChange(after);
  }

  #follow(connection: WorkerConnection, summary: SessionSummary | undefined): void {
    const { id, generation } = connection;
    if (summary === undefined) {
      this.#gone(connection, () => connection.deleted());
    } else if (isOtherGeneration(generation, summary.generation)) {
      const error = new SessiondError(
        "lease_lost",
        `session "${id}" was deleted, and another one created with the same id`,
      );
      this.#gone(connection, () => connection.lost(error));
    } else {
      connection.follow(summary);
    }
  }

  #gone(connection: WorkerConnection, tell: () => void): void {
    this.remove(connection);
    tell();
    this.#options.onGone(connection);
  }

  /**
   * Handles a change of the session that was not told: between the worker's greeting and the start of this
   * subscription, or in a gap.
   */
  async #lookAgain(connection: WorkerConnection): Promise<void> {
    try {
      const summary = await this.#options.store.summary(connection.id as SessionId);
      if (!this.#isKnown(connection)) return;
      this.#follow(connection, summary);
      this.#options.onChange(summary);
    } catch (error) {
      const isGone = isSessiondError(error, "session_not_found", "session_deleted");
      if (isGone && this.#isKnown(connection)) this.#follow(connection, undefined);
    }
  }

  #isKnown(connection: WorkerConnection): boolean {
    return this.#byEpoch.get(connection.epoch) === connection;
  }
}
