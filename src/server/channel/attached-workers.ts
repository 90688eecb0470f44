/** The workers' connections, by session. Each is told at once when the status of its session changes. */
import { isSessiondError, SessiondError } from "../../error.ts";
import { isOtherGeneration, type SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { WorkerConnection } from "./worker-connection.ts";

export interface AttachedWorkersOptions {
  store: Pick<SessionStore, "summary" | "changes">;
  /** Called when a connection is closed because its session is gone. */
  onGone: (connection: WorkerConnection) => void;
}

export class AttachedWorkers {
  readonly #options: AttachedWorkersOptions;
  readonly #connections = new Map<string, WorkerConnection>();
  readonly #unsubscribe: () => void;

  constructor(options: AttachedWorkersOptions) {
    this.#options = options;
    // One subscription for all connections, because it is called for every change of every session.
    this.#unsubscribe = options.store.changes.subscribe(({ session_id, after, gone }) => {
      const connection = this.#connections.get(session_id);
      // A session that cannot be read is not gone: somebody may repair it.
      if (connection !== undefined && gone?.cause !== "unreadable") this.#follow(connection, after);
    });
  }

  get size(): number {
    return this.#connections.size;
  }

  get(id: string): WorkerConnection | undefined {
    return this.#connections.get(id);
  }

  [Symbol.iterator](): IterableIterator<WorkerConnection> {
    return this.#connections.values();
  }

  add(connection: WorkerConnection): void {
    this.#connections.set(connection.id, connection);
    void this.#lookAgain(connection);
  }

  remove(connection: WorkerConnection): void {
    if (this.#connections.get(connection.id) !== connection) return;
    this.#connections.delete(connection.id);
  }

  close(): void {
    this.#unsubscribe();
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

  /** Handles a change of the session between the worker's greeting and the start of this subscription. */
  async #lookAgain(connection: WorkerConnection): Promise<void> {
    try {
      const summary = await this.#options.store.summary(connection.id as SessionId);
      if (this.#connections.get(connection.id) === connection) this.#follow(connection, summary);
    } catch (error) {
      const isGone = isSessiondError(error, "session_not_found", "session_deleted");
      if (isGone && this.#connections.get(connection.id) === connection) this.#follow(connection, undefined);
    }
  }
}
