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
import type { Evicted } from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { stringifyJsonInSlices } from "../../json/write-in-slices.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Lease, LeaseEvent, LeaseRequest, SessionStore } from "../../store/session-store.ts";
import type { Buffered } from "../http/buffered.ts";
import { replyDepth } from "../http/reply-depth.ts";
import type { LimitsOptions } from "../options.ts";
import { AttachedWorkers } from "./attached-workers.ts";
import { ClaimQueues } from "./claim-queues.ts";
import type { Beginning, ConnectionOptions } from "./connection-options.ts";
import { Intake } from "./intake.ts";
import { LeaseEnds, type LeaseEndsOptions } from "./lease-ends.ts";
import type { WorkerOptions } from "./options.ts";
import { WorkerConnection } from "./worker-connection.ts";

/** Between two looks at leases while the storage cannot be asked. */
const retryMs = 1000;

export interface WorkersOptions extends LeaseEndsOptions {
  store: Pick<
    SessionStore,
    "availability" | "change" | "changes" | "claims" | "leases" | "read" | "report" | "summary"
  >;
  limits: Pick<LimitsOptions, "bodyBytes" | "depth" | "values">;
  buffered: Buffered;
}

/** A lease whose connection is about to be opened. */
export interface Attachment extends Beginning {
  lease: Lease;
}

export class Workers {
  readonly #options: WorkersOptions;
  readonly #ends: LeaseEnds;
  readonly #attached: AttachedWorkers;
  /** The number of requests for each session that are becoming connections. */
  readonly #attaching = new Map<string, number>();
  readonly #intake = new Intake();
  readonly #claims: ClaimQueues;
  readonly #unsubscribe: readonly (() => void)[];
  #stopping = false;

  constructor(options: WorkersOptions) {
    const { store } = options;
    this.#options = options;
    this.#ends = new LeaseEnds(options);
    this.#claims = new ClaimQueues(store);
    this.#attached = new AttachedWorkers({
      store,
      onChange: (summary) => this.#claims.follow(summary),
      onGone: ({ id, epoch }) => void this.#ends.release(id, epoch),
    });
    this.#unsubscribe = [
      store.leases.onOrphaned((lease) => this.#ends.orphaned(lease)),
      store.leases.onElsewhere((event) => this.#happenedElsewhere(event)),
      store.availability.onBack(() => {
        for (const connection of this.#attached) connection.storageIsBack();
      }),
    ];
  }

  /** The number of workers with a connection. */
  get size(): number {
    return this.#attached.size;
  }

  /** Whether the worker with the lease of this epoch is connected, and may send more. */
  isConnected(epoch: number): boolean {
    const connection = this.#attached.get(epoch);
    return connection !== undefined && connection.leaving === undefined;
  }

  /** Begins the grace periods of workers that were attached to an earlier run of the daemon. */
  listen(): Promise<void> {
    return this.#insist(async () => {
      const leases = await this.#options.store.leases.own();
      const ids = new Set(leases.map(({ session_id }) => session_id));
      await Promise.all([...ids].map((id) => this.#beginGracesOfUnused(id)));
    });
  }

  configure(worker: WorkerOptions): void {
    this.#ends.configure(worker);
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
      setImmediate(() => void this.#insist(() => this.#beginGracesOfUnused(id)));
    }
  }

  async #acquire(id: SessionId, request: LeaseRequest, isAlive: () => boolean): Promise<Attachment> {
    const { store } = this.#options;
    await this.#assertMayAttach(id, request);
    // In the same turn as the check.
    const { lease, token } = await store.leases.acquire(id, request);
    try {
      await this.#replace(id);
      const { session, message } = await this.#greeting(id, lease, token);
      const greeting = await stringifyJsonInSlices(message, replyDepth);
      if (this.#stopping)
        throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
      // Throws if the session is gone.
      await store.summary(id);
      if (!(await this.#ends.holds(id, lease.epoch))) throw takenOver(id);
      if (!isAlive()) throw new SessiondError("invalid_request", "the client has closed the connection");
      return { lease, session, greeting };
    } catch (error) {
      // The worker does not know its token yet, so it cannot reconnect with it.
      if (request.token === undefined) await this.#ends.release(id, lease.epoch);
      throw error;
    }
  }

  /**
   * Ends grace periods and connections of leases that are no more, or go on under another epoch: their
   * worker has come back.
   */
  async #replace(id: SessionId): Promise<void> {
    const epochs = new Set((await this.#options.store.leases.of(id)).map(({ epoch }) => epoch));
    this.#ends.graces.keepOnly(id, epochs);
    for (const older of this.#attached.of(id)) {
      if (epochs.has(older.epoch)) continue;
      this.#attached.remove(older);
      older.lost(takenOver(id));
    }
  }

  /** The first message. For a shared worker it does not grow with the session. */
  async #greeting(
    id: SessionId,
    { epoch, shared }: Lease,
    token: string,
  ): Promise<{ session: Beginning["session"]; message: DaemonMessage }> {
    const { store } = this.#options;
    if (shared) {
      const [summary, claimed] = await Promise.all([store.summary(id), store.claims.held(id, epoch)]);
      return { session: summary, message: { type: "attached", epoch, token, summary, claimed } };
    }
    const { session, summary } = await store.read(id);
    return { session: summary, message: { type: "attached", epoch, token, session } };
  }

  /**
   * Opens the connection over `socket`. Must be called in the turn of the event loop in which `attach`
   * resolved.
   */
  open({ lease, ...beginning }: Attachment, socket: Socket): void {
    const { store, limits, buffered, logger } = this.#options;
    const { session_id: id, epoch } = lease;
    const report = (delta: ProgressDelta, json: Buffer) =>
      store.report(id as SessionId, delta, { epoch, json });
    const options: ConnectionOptions = {
      socket,
      epoch,
      intake: this.#intake,
      maxBytes: limits.bodyBytes,
      limits,
      buffered,
      availability: store.availability,
      report,
      ...(lease.shared && this.#sharing(lease, beginning.session, report)),
      onDetach: () => this.#ends.detach(lease),
      onClosed: () => this.#closed(connection, lease),
      logger,
    };
    const connection = new WorkerConnection(options, beginning);
    logger.info({ ...lease }, "worker attached");
    this.#attached.add(connection);
    this.#ends.announce("worker.attached", lease);
  }

  /** What a shared worker can do besides reporting. */
  #sharing(
    { session_id, epoch }: Lease,
    session: Beginning["session"],
    report: ConnectionOptions["report"],
  ): Pick<ConnectionOptions, "report" | "sharing"> {
    const id = session_id as SessionId;
    const claims = this.#claims;
    return {
      async report(delta, json) {
        const reply = await report(delta, json);
        if (reply.pending_count === 0) claims.wake(id);
        return reply;
      },
      sharing: {
        place: claims.join(session),
        release: (files) => this.#options.store.claims.giveBack(id, epoch, files),
      },
    };
  }

  /**
   * Ends the lease of a worker at once. @throws SessiondError `lease_lost` if there is none of this epoch
   */
  evict(id: SessionId, epoch: number): Promise<Evicted> {
    return this.#ends.evict(id, epoch, () => {
      const connection = this.#attached.get(epoch);
      if (connection === undefined) return;
      this.#attached.remove(connection);
      connection.lost(evicted(id));
    });
  }

  /** Asks every worker to reconnect later, after its messages have been answered. */
  drain(): void {
    this.#stopping = true;
    for (const connection of this.#attached) connection.stop();
  }

  /** Keeps the leases for the next run. The connections are closed by the server. */
  async close(): Promise<void> {
    this.#stopping = true;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#attached.close();
    this.#claims.close();
    await this.#ends.graces.stop();
  }

  /** Refuses exclusive leases in a grace period, of which the store knows nothing. */
  async #assertMayAttach(id: SessionId, { token }: LeaseRequest): Promise<void> {
    const { store } = this.#options;
    // Whoever starts a worker again after it was killed must not be told that it is attached.
    await Promise.all(this.#attached.of(id).map(({ leaving }) => leaving));
    const [[lease]] = await Promise.all([store.leases.of(id), store.summary(id)]);
    if (lease === undefined || lease.shared) return;
    const grace = this.#ends.graces.get(lease.epoch);
    if (grace === undefined) return;
    if (token === undefined) throw heldInGrace(lease, this.#ends.graces.until(grace));
    if (grace.over) throw takenOver(id);
  }

  /**
   * Begins the grace periods of this host's leases of a session that have no connection, unless requests are
   * becoming connections: then the last of these calls this again.
   */
  async #beginGracesOfUnused(id: string): Promise<void> {
    const leases = await this.#options.store.leases.of(id);
    if (this.#stopping || this.#attaching.has(id)) return;
    for (const lease of leases) {
      const { epoch, elsewhere } = lease;
      const isUnused = this.#attached.get(epoch) === undefined && this.#ends.graces.get(epoch) === undefined;
      if (isUnused && elsewhere === undefined) this.#ends.graces.begin(lease);
    }
  }

  /** Another host's daemon has changed a lease. It may have been one of this host. */
  #happenedElsewhere({ kind, lease, gone }: LeaseEvent): void {
    this.#ends.announce(`worker.${kind}`, lease, { gone });
    const id = lease.session_id as SessionId;
    if (this.#attached.of(id).length > 0 || this.#ends.graces.isAnyOf(id))
      void this.#insist(() => this.#replace(id));
  }

  /** Runs a task, and again while it fails: the storage may be away for a while. */
  async #insist(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (this.#stopping) return;
      if (!isSessiondError(error, "storage_unavailable")) {
        this.#options.logger.warn({ err: error }, "cannot look at the leases; trying again");
      }
      setTimeout(() => void this.#insist(task), retryMs).unref();
    }
  }

  async #closed(connection: WorkerConnection, lease: Lease): Promise<void> {
    const { id, epoch } = connection;
    this.#attached.remove(connection);
    if (this.#stopping) return;
    // If the storage is away, the end of the grace will tell.
    const isHeld = await this.#ends.holds(id, epoch).catch(() => true);
    if (isHeld) this.#ends.lose(lease);
  }
}

function heldInGrace({ session_id, worker }: Lease, until: string): SessiondError {
  const holder = worker === null ? "the worker" : `the worker "${worker}"`;
  return new SessiondError(
    "lease_held",
    `${holder} of session "${session_id}" lost its connection and may reconnect until ${until}; try again then`,
  );
}

function evicted(id: string): SessiondError {
  return new SessiondError("lease_lost", `an operator has ended the lease of this worker on session "${id}"`);
}

function takenOver(id: string): SessiondError {
  return new SessiondError(
    "lease_lost",
    `the lease of session "${id}" has ended or belongs to another connection; attach again`,
  );
}
