/**
 * The workers of all sessions and their leases. A lease lasts as long as its worker's connection, and for a
 * grace period after a lost connection. So each lease has a connection, a request that is becoming one, or a
 * grace period.
 *
 * The room server/channel/ owns the connections of workers: leases, grace periods, messages, answers. It
 * does not know how a report is kept.
 */
import type { Socket } from "node:net";
import type { DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { stringifyJsonInSlices } from "../../json/write-in-slices.ts";
import type { Logger } from "../../log.ts";
import { isOtherGeneration } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Lease, LeaseRequest, SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import type { WorkerEvent } from "../events/event-log.ts";
import type { Buffered } from "../http/buffered.ts";
import { replyDepth } from "../http/reply-depth.ts";
import type { LimitsOptions } from "../options.ts";
import { AttachedWorkers } from "./attached-workers.ts";
import { Graces } from "./grace.ts";
import { Intake } from "./intake.ts";
import { applyOnLost } from "./on-lost.ts";
import type { WorkerOptions } from "./options.ts";
import { type Beginning, type ConnectionOptions, WorkerConnection } from "./worker-connection.ts";

export interface WorkersOptions {
  store: Pick<SessionStore, "summary" | "read" | "report" | "apply" | "leases" | "changes">;
  worker: WorkerOptions;
  limits: Pick<LimitsOptions, "bodyBytes" | "depth" | "values">;
  buffered: Buffered;
  clock: Clock;
  /** Called for each worker that attaches, detaches or is lost. */
  onWorker: (id: string, event: WorkerEvent) => void;
  logger: Logger;
}

/** A lease whose connection is about to be opened. */
export interface Attachment extends Beginning {
  lease: Lease;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #graces: Graces;
  readonly #attached: AttachedWorkers;
  /** The number of requests for each session that are becoming connections. */
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
      onOver: (id, epoch) => this.#graceOver(id as SessionId, epoch),
    });
    this.#attached = new AttachedWorkers({
      store,
      onGone: ({ id, epoch }) => void this.#release(id, epoch),
    });
  }

  /** The number of workers with a connection. */
  get size(): number {
    return this.#attached.size;
  }

  isConnected(id: string): boolean {
    return this.#attached.get(id) !== undefined;
  }

  /** Begins the grace periods of workers that were attached to an earlier run of the daemon. */
  async listen(): Promise<void> {
    const leases = await this.#options.store.leases.all();
    await Promise.all(leases.map(({ session_id }) => this.#beginGraceIfUnused(session_id)));
  }

  configure({ reattachGraceMs, onLost }: WorkerOptions): void {
    this.#onLost = onLost;
    this.#graces.configure(reattachGraceMs);
  }

  /**
   * Takes the lease for a request that is becoming a connection. `isAlive` tells whether its client is still
   * there.
   *
   * @throws SessiondError if the lease is not available
   */
  async attach(id: SessionId, request: LeaseRequest, isAlive: () => boolean): Promise<Attachment> {
    this.#attaching.set(id, (this.#attaching.get(id) ?? 0) + 1);
    try {
      return await this.#acquire(id, request, isAlive);
    } finally {
      const left = (this.#attaching.get(id) ?? 1) - 1;
      if (left > 0) this.#attaching.set(id, left);
      else this.#attaching.delete(id);
      // The connection is opened in this turn, if at all.
      setImmediate(() => void this.#beginGraceIfUnused(id));
    }
  }

  async #acquire(id: SessionId, request: LeaseRequest, isAlive: () => boolean): Promise<Attachment> {
    const { store } = this.#options;
    await this.#assertMayAttach(id, request.token);
    // In the same turn as the check.
    const { lease, token } = await store.leases.acquire(id, request);
    try {
      this.#graces.end(id);
      const older = this.#attached.get(id);
      if (older !== undefined) {
        this.#attached.remove(older);
        older.lost(takenOver(id));
      }
      const { session } = await store.read(id);
      const greeting = await stringifyJsonInSlices(
        { type: "attached", epoch: lease.epoch, token, session } satisfies DaemonMessage,
        replyDepth,
      );
      if (this.#stopping)
        throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
      // Throws if the session is gone.
      await store.summary(id);
      if (!(await this.#holds(id, lease.epoch))) throw takenOver(id);
      if (!isAlive()) throw new SessiondError("invalid_request", "the client has closed the connection");
      return { lease, session, greeting };
    } catch (error) {
      // The worker does not know its token yet, so it cannot reconnect with it.
      if (request.token === undefined) await this.#release(id, lease.epoch);
      throw error;
    }
  }

  /**
   * Opens the connection over `socket`. Must be called in the turn of the event loop in which `attach`
   * resolved.
   */
  open({ lease, ...beginning }: Attachment, socket: Socket): void {
    const { store, limits, buffered, logger } = this.#options;
    const { session_id: id, epoch } = lease;
    const options: ConnectionOptions = {
      socket,
      epoch,
      intake: this.#intake,
      maxBytes: limits.bodyBytes,
      limits,
      buffered,
      report: (delta, json) => store.report(id as SessionId, delta, { epoch, json }),
      onDetach: async () => {
        logger.info({ ...lease }, "worker detached");
        const released = this.#release(id, epoch);
        // After the release has begun, so that whoever receives the event can attach.
        this.#announce("worker.detached", lease);
        await released;
      },
      onClosed: () => void this.#closed(connection, lease),
      logger,
    };
    const connection = new WorkerConnection(options, beginning);
    logger.info({ ...lease }, "worker attached");
    this.#attached.add(connection);
    this.#announce("worker.attached", lease);
  }

  /** Asks every worker to reconnect later, after its messages have been answered. */
  drain(): void {
    this.#stopping = true;
    for (const connection of this.#attached) connection.stop();
  }

  /** Keeps the leases for the next run. The connections are closed by the server. */
  async close(): Promise<void> {
    this.#stopping = true;
    this.#attached.close();
    await this.#graces.stop();
  }

  /** Refuses leases in a grace period, of which the store knows nothing. */
  async #assertMayAttach(id: SessionId, token: string | undefined): Promise<void> {
    const { store } = this.#options;
    const [[lease]] = await Promise.all([store.leases.of(id), store.summary(id)]);
    const grace = this.#graces.get(id);
    if (grace === undefined || lease?.epoch !== grace.epoch) return;
    if (token === undefined) throw heldInGrace(lease, this.#graces.until(grace));
    if (grace.over) throw takenOver(id);
  }

  /** Begins the grace period of a lease that has no connection, and no request that is becoming one. */
  async #beginGraceIfUnused(id: string): Promise<void> {
    const [lease] = await this.#options.store.leases.of(id);
    if (lease === undefined || this.#stopping) return;
    if (this.#attached.get(id) !== undefined || this.#attaching.has(id)) return;
    if (this.#graces.get(id)?.epoch === lease.epoch) return;
    this.#graces.begin(id, lease);
  }

  async #closed(connection: WorkerConnection, lease: Lease): Promise<void> {
    const { id, epoch } = connection;
    this.#attached.remove(connection);
    if (this.#stopping || !(await this.#holds(id, epoch))) return;
    this.#options.logger.warn({ ...lease }, "worker lost: its connection ended");
    this.#announce("worker.lost", lease);
    this.#graces.begin(id, lease);
  }

  /** @throws if the status of the session cannot be changed; the caller tries again */
  async #graceOver(id: SessionId, epoch: number): Promise<void> {
    const { store, logger } = this.#options;
    const [lease] = await store.leases.of(id);
    if (lease?.epoch !== epoch) return;
    let became: string | undefined;
    try {
      if (!isOtherGeneration(lease.generation, (await store.summary(id)).generation)) {
        became = await applyOnLost(store, id, lease, this.#onLost);
      }
    } catch (error) {
      if (!isSessiondError(error, "session_not_found", "session_deleted")) {
        logger.warn({ err: error, ...lease }, "cannot apply worker.on_lost to a session; trying again");
        throw error;
      }
    }
    await this.#release(id, epoch);
    logger.warn({ ...lease, became }, "worker is not coming back: its lease has ended");
    this.#announce("worker.lost", lease, { gone: true });
  }

  #announce(kind: WorkerEvent["kind"], { session_id, worker, epoch }: Lease, { gone = false } = {}): void {
    this.#options.onWorker(session_id, { kind, worker, epoch, gone });
  }

  async #release(id: string, epoch: number): Promise<void> {
    try {
      await this.#options.store.leases.release(id as SessionId, epoch);
    } catch (error) {
      // The lease has ended in memory. After a restart it would be found again, and end after a grace period.
      this.#options.logger.warn({ err: error, session_id: id, epoch }, "cannot record the end of a lease");
    }
  }

  async #holds(id: string, epoch: number): Promise<boolean> {
    return (await this.#options.store.leases.of(id)).some((lease) => lease.epoch === epoch);
  }
}

function heldInGrace({ session_id, worker }: Lease, until: string): SessiondError {
  const holder = worker === null ? "the worker" : `the worker "${worker}"`;
  return new SessiondError(
    "lease_held",
    `${holder} of session "${session_id}" lost its connection and may reconnect until ${until}; try again then`,
  );
}

function takenOver(id: string): SessiondError {
  return new SessiondError(
    "lease_lost",
    `the lease of session "${id}" has ended or belongs to another connection; attach again`,
  );
}
