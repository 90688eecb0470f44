/**
 * Who works on which session: a lease lasts as long as its worker's connection, and a little longer for a worker that
 * lost it. Each lease that is held has a connection, a request that is about to become one, or a grace.
 */
import type { Writable } from "node:stream";
import type { WebSocket } from "ws";
import type { AttachQuery, DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { stringifyJsonInSlices } from "../../json/in-slices.ts";
import type { Logger } from "../../log.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Lease, SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import type { WorkerEvent } from "../events/event-log.ts";
import { replyDepth } from "../http/reply-depth.ts";
import { AttachedWorkers, isOther } from "./attached-workers.ts";
import { Graces } from "./grace.ts";
import { Intake } from "./intake.ts";
import { applyOnLost } from "./on-lost.ts";
import type { WorkerOptions } from "./options.ts";
import { type Beginning, type ConnectionOptions, WorkerConnection } from "./worker-connection.ts";

export interface WorkersOptions {
  store: Pick<SessionStore, "summary" | "read" | "report" | "apply" | "leases" | "changes">;
  worker: WorkerOptions;
  bodyBytes: number;
  depth: number;
  clock: Clock;
  /** Told of each worker that comes, leaves or is lost. */
  onWorker: (id: string, happening: WorkerEvent) => void;
  logger: Logger;
}

/** A lease that is about to have a connection. */
export interface Attachment extends Beginning {
  lease: Lease;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #graces: Graces;
  readonly #attached: AttachedWorkers;
  /** How many requests for a session may become its connection. */
  readonly #attaching = new Map<string, number>();
  readonly #intake = new Intake();
  #onLost: WorkerOptions["onLost"];
  #stopping = false;

  constructor(options: WorkersOptions) {
    const { worker, clock, store } = options;
    this.#options = options;
    this.#onLost = worker.onLost;
    this.#graces = new Graces({
      graceMs: worker.reattachGraceMs,
      clock,
      onOver: (id, epoch, generation) => this.#graceOver(id as SessionId, epoch, generation),
    });
    this.#attached = new AttachedWorkers({
      store,
      onGone: ({ id, epoch }) => void this.#release(id, epoch),
    });
  }

  /** Workers with a connection. */
  get size(): number {
    return this.#attached.size;
  }

  isConnected(id: string): boolean {
    return this.#attached.get(id) !== undefined;
  }

  /** Begins the graces of workers that an earlier run of the daemon left. */
  async listen(): Promise<void> {
    const leases = await this.#options.store.leases.all();
    await Promise.all(leases.map(({ session_id }) => this.#settle(session_id)));
  }

  configure({ reattachGraceMs, onLost }: WorkerOptions): void {
    this.#onLost = onLost;
    this.#graces.configure(reattachGraceMs);
  }

  /**
   * Takes the lease for a request that is to become a connection, if it still `isAlive` then.
   *
   * @throws SessiondError why it cannot be had
   */
  async attach(id: SessionId, query: AttachQuery, isAlive: () => boolean): Promise<Attachment> {
    this.#attaching.set(id, (this.#attaching.get(id) ?? 0) + 1);
    try {
      return await this.#acquire(id, query, isAlive);
    } finally {
      const left = (this.#attaching.get(id) ?? 1) - 1;
      if (left > 0) this.#attaching.set(id, left);
      else this.#attaching.delete(id);
      // Unless it is opened within this turn.
      setImmediate(() => void this.#settle(id));
    }
  }

  async #acquire(id: SessionId, query: AttachQuery, isAlive: () => boolean): Promise<Attachment> {
    const { store } = this.#options;
    await this.#assertMayAttach(id, query.epoch);
    // In the same turn as the check.
    const lease = await store.leases.acquire(id, query);
    try {
      this.#graces.end(id);
      const older = this.#attached.get(id);
      if (older !== undefined) {
        this.#attached.remove(older);
        older.lost(takenOver(id));
      }
      const { session } = await store.read(id);
      const greeting = await stringifyJsonInSlices(
        { type: "attached", epoch: lease.epoch, session } satisfies DaemonMessage,
        replyDepth,
      );
      if (this.#stopping)
        throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
      // Throws for one that is gone.
      await store.summary(id);
      if (!(await this.#holds(id, lease.epoch))) throw takenOver(id);
      if (!isAlive()) throw new SessiondError("invalid_request", "the connection was closed meanwhile");
      return { lease, session, greeting };
    } catch (error) {
      // Nobody has heard of a first epoch, so nobody would come back with it.
      if (query.epoch === undefined) await this.#release(id, lease.epoch);
      throw error;
    }
  }

  /** The request has become a connection over `stream`, in the turn in which it was attached. */
  open({ lease, ...beginning }: Attachment, socket: WebSocket, stream: Writable): void {
    const { store, bodyBytes, depth, logger } = this.#options;
    const { session_id: id, epoch } = lease;
    const options: ConnectionOptions = {
      socket,
      stream,
      epoch,
      intake: this.#intake,
      maxWaitingBytes: bodyBytes,
      maxDepth: depth,
      report: (delta, json) => store.report(id as SessionId, delta, { epoch, json }),
      onDetach: async () => {
        logger.info({ ...lease }, "worker detached");
        const released = this.#release(id, epoch);
        // Who hears of it can attach.
        this.#tell("worker.detached", lease);
        await released;
      },
      onClosed: () => void this.#closed(connection, lease),
      logger,
    };
    const connection = new WorkerConnection(options, beginning);
    logger.info({ ...lease }, "worker attached");
    this.#attached.add(connection);
    this.#tell("worker.attached", lease);
  }

  /** Tells every worker to come back later, when what it sent is answered. */
  drain(): void {
    this.#stopping = true;
    for (const connection of this.#attached) connection.stop();
  }

  /** Leases stay, for the next run. Connections are the server's to end. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#attached.close();
    await this.#graces.stop();
  }

  /** Says what the store's own refusal cannot. */
  async #assertMayAttach(id: SessionId, epoch: number | undefined): Promise<void> {
    const { store } = this.#options;
    const [{ generation }, lease] = await Promise.all([store.summary(id), store.leases.get(id)]);
    const grace = this.#graces.get(id);
    if (grace === undefined || lease?.epoch !== grace.epoch) return;
    if (epoch === undefined) throw heldInGrace(lease, this.#graces.until(grace));
    if (grace.over || isOther(grace.generation, generation)) throw takenOver(id);
  }

  /** A lease that is left without anybody to use it is given a while. */
  async #settle(id: string): Promise<void> {
    const { store } = this.#options;
    const known = id as SessionId;
    const [lease, summary] = await Promise.all([
      store.leases.get(id),
      store.summary(known).catch(() => undefined),
    ]);
    if (lease === undefined || this.#stopping) return;
    if (this.#attached.get(id) !== undefined || this.#attaching.has(id)) return;
    if (this.#graces.get(id)?.epoch === lease.epoch) return;
    this.#graces.begin(id, lease.epoch, summary?.generation ?? null);
  }

  async #closed(connection: WorkerConnection, lease: Lease): Promise<void> {
    const { id, epoch, generation } = connection;
    this.#attached.remove(connection);
    if (this.#stopping || !(await this.#holds(id, epoch))) return;
    this.#options.logger.warn({ ...lease }, "worker lost: its connection ended");
    this.#tell("worker.lost", lease);
    this.#graces.begin(id, epoch, generation);
  }

  /** @throws when the session could not be given its status: it is tried again */
  async #graceOver(id: SessionId, epoch: number, generation: string | null): Promise<void> {
    const { store, logger } = this.#options;
    const lease = await store.leases.get(id);
    if (lease?.epoch !== epoch) return;
    let became: string | undefined;
    try {
      if (!isOther(generation, (await store.summary(id)).generation)) {
        became = await applyOnLost(store, id, lease.worker, this.#onLost);
      }
    } catch (error) {
      if (!isSessiondError(error, "session_not_found", "session_deleted")) {
        logger.warn({ err: error, ...lease }, "the session of a lost worker could not be given its status");
        throw error;
      }
    }
    await this.#release(id, epoch);
    logger.warn({ ...lease, became }, "worker lost for good: it did not come back in time");
    this.#tell("worker.lost", lease, true);
  }

  #tell(kind: WorkerEvent["kind"], { session_id, worker, epoch }: Lease, gone = false): void {
    this.#options.onWorker(session_id, { kind, worker, epoch, gone });
  }

  async #release(id: string, epoch: number): Promise<void> {
    try {
      await this.#options.store.leases.release(id as SessionId, epoch);
    } catch (error) {
      // Ended it has all the same; a restart before the next change of a lease would find it again, and end it again.
      this.#options.logger.warn(
        { err: error, session_id: id, epoch },
        "the end of a lease could not be recorded",
      );
    }
  }

  async #holds(id: string, epoch: number): Promise<boolean> {
    return (await this.#options.store.leases.get(id))?.epoch === epoch;
  }
}

function heldInGrace({ session_id, worker }: Lease, until: string): SessiondError {
  const holder = worker === null ? "the worker" : `the worker "${worker}"`;
  return new SessiondError(
    "lease_held",
    `${holder} of "${session_id}" lost its connection and may come back until ${until}; attach after that`,
  );
}

function takenOver(id: string): SessiondError {
  return new SessiondError(
    "lease_lost",
    `the lease of "${id}" is over, or another connection has it; attach to it again`,
  );
}
