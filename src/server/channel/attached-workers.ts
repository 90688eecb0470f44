/** The connections, by session: each is told at once what anybody makes of its session. */
import { isSessiondError, SessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { WorkerConnection } from "./connection.ts";

/** A session that went missing may only be renamed by another program: it is looked for again after this long. */
const missingMs = 300;

export interface AttachedWorkersOptions {
  store: Pick<SessionStore, "summary" | "leases" | "changes">;
  /** Told of a connection that has no session any more, and is being closed. */
  onGone: (connection: WorkerConnection) => void;
}

export class AttachedWorkers {
  readonly #options: AttachedWorkersOptions;
  readonly #connections = new Map<string, WorkerConnection>();
  readonly #missing = new Map<string, NodeJS.Timeout>();
  readonly #unsubscribe: () => void;

  constructor(options: AttachedWorkersOptions) {
    this.#options = options;
    // One for all of them: it is called for every report of every session.
    this.#unsubscribe = options.store.changes.subscribe(({ session_id, after }) => {
      const connection = this.#connections.get(session_id);
      if (connection !== undefined) this.#follow(connection, after);
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
    // What became of the session since it was read.
    this.#follow(connection, this.#summary(connection.id));
  }

  remove(connection: WorkerConnection): void {
    if (this.#connections.get(connection.id) !== connection) return;
    this.#connections.delete(connection.id);
    this.#found(connection.id);
  }

  close(): void {
    this.#unsubscribe();
    for (const timer of this.#missing.values()) clearTimeout(timer);
  }

  #follow(connection: WorkerConnection, summary: SessionSummary | undefined): void {
    const { id, epoch, generation } = connection;
    if (summary === undefined) {
      // Deleted through us, the lease went with it; what another program took away it may be about to bring back.
      if (this.#options.store.leases.get(id)?.epoch === epoch) this.#lookLater(connection);
      else this.#gone(connection, () => connection.deleted());
      return;
    }
    if (this.#missing.size > 0) this.#found(id);
    if (isOther(generation, summary.generation)) {
      const error = new SessiondError(
        "lease_lost",
        `"${id}" was deleted, and another session of that id created`,
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

  #lookLater(connection: WorkerConnection): void {
    if (this.#missing.has(connection.id)) return;
    const look = () => {
      this.#missing.delete(connection.id);
      try {
        this.#follow(connection, this.#options.store.summary(connection.id as SessionId));
      } catch (error) {
        // One that cannot be read, or whose directory is away, is not gone.
        if (isSessiondError(error, "session_not_found", "session_deleted")) {
          this.#gone(connection, () => connection.deleted());
        } else {
          this.#lookLater(connection);
        }
      }
    };
    this.#missing.set(connection.id, setTimeout(look, missingMs).unref());
  }

  #found(id: string): void {
    clearTimeout(this.#missing.get(id));
    this.#missing.delete(id);
  }

  #summary(id: string): SessionSummary | undefined {
    try {
      return this.#options.store.summary(id as SessionId);
    } catch {
      return undefined;
    }
  }
}

/** Whether a session is not the one that a worker was attached to, but a later one of its id. */
export function isOther(attached: string | null, now: string | null): boolean {
  return attached !== null && now !== null && attached !== now;
}
