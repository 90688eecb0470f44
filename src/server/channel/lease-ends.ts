/**
 * How leases end: the worker detaches, does not come back within its grace period, or is evicted. It knows
 * no connections.
 */
import { KeyedQueue } from "../../async/keyed-queue.ts";
import type { Evicted } from "../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import { isOtherGeneration } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Lease, SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import type { WorkerEvent } from "../events/event-log.ts";
import { Graces } from "./grace.ts";
import { applyOnLost } from "./on-lost.ts";
import type { WorkerOptions } from "./options.ts";

export interface LeaseEndsOptions {
  store: Pick<SessionStore, "summary" | "change" | "leases" | "claims" | "availability">;
  worker: WorkerOptions;
  clock: Clock;
  /** Called for each worker that attaches, detaches or is lost. */
  onWorker: (id: string, event: WorkerEvent) => void;
  logger: Logger;
}

export class LeaseEnds {
  readonly #options: LeaseEndsOptions;
  readonly graces: Graces;
  /** Of each session one lease after the other, so that it is known which one is the last. */
  readonly #endings = new KeyedQueue();
  #onLost: WorkerOptions["onLost"];

  constructor(options: LeaseEndsOptions) {
    const { worker, clock } = options;
    this.#options = options;
    this.#onLost = worker.onLost;
    this.graces = new Graces({
      graceMs: worker.reattachGraceMs,
      clock,
      availability: options.store.availability,
      onOver: (id, epoch, orphaned) =>
        this.#endings.run(id, () => this.#graceOver(id as SessionId, epoch, orphaned)),
    });
  }

  configure({ reattachGraceMs, onLost }: WorkerOptions): void {
    this.#onLost = onLost;
    this.graces.configure(reattachGraceMs);
  }

  async detach(lease: Lease): Promise<void> {
    this.#options.logger.info({ ...lease }, "worker detached");
    const released = this.release(lease.session_id, lease.epoch, "detached");
    // After the release has begun, so that whoever receives the event can attach.
    this.announce("worker.detached", lease);
    await released;
  }

  /** The connection of a worker has ended without `detach`. */
  lose(lease: Lease): void {
    const { store, logger } = this.#options;
    logger.warn({ ...lease }, "worker lost: its connection ended");
    this.announce("worker.lost", lease);
    this.graces.begin(lease);
    store.leases
      .disconnected(lease.session_id as SessionId, lease.epoch)
      .catch((error: unknown) =>
        logger.warn({ err: error, ...lease }, "cannot tell other hosts that a worker was lost"),
      );
  }

  /** The host of a worker was lost, and its lease is this daemon's to end. */
  orphaned(lease: Lease): void {
    this.#options.logger.warn({ ...lease }, "worker lost: its host is gone");
    this.graces.endOrphaned(lease);
  }

  /**
   * Ends a lease at once. Nothing becomes of its session. `onEnded` is called in the turn in which it ends.
   *
   * @throws SessiondError `lease_lost` if there is no lease of this epoch
   */
  async evict(id: SessionId, epoch: number, onEnded: () => void): Promise<Evicted> {
    const { store, logger } = this.#options;
    await store.summary(id);
    const released = (await store.claims.counts(id)).get(epoch) ?? 0;
    const lease = (await store.leases.of(id)).find((held) => held.epoch === epoch);
    if (lease === undefined) {
      throw new SessiondError("lease_lost", `session "${id}" has no lease with epoch ${epoch}`);
    }
    const ended = store.leases.release(id, epoch, "lost");
    this.graces.end(epoch);
    onEnded();
    logger.warn({ ...lease, released }, "worker evicted: its lease was ended by request");
    this.announce("worker.lost", lease, { gone: true });
    await ended;
    return { epoch, name: lease.worker, released };
  }

  async release(id: string, epoch: number, why?: "detached" | "lost"): Promise<void> {
    try {
      await this.#options.store.leases.release(id as SessionId, epoch, why);
    } catch (error) {
      // The lease has ended in memory. After a restart it would be found again, and end after a grace period.
      this.#options.logger.warn({ err: error, session_id: id, epoch }, "cannot record the end of a lease");
    }
  }

  /** Whether there is a lease of this epoch. */
  async holds(id: string, epoch: number): Promise<boolean> {
    return (await this.#options.store.leases.of(id)).some((lease) => lease.epoch === epoch);
  }

  announce(
    kind: WorkerEvent["kind"],
    { session_id, worker, epoch }: Pick<Lease, "session_id" | "worker" | "epoch">,
    { gone = false } = {},
  ): void {
    this.#options.onWorker(session_id, { kind, worker, epoch, gone });
  }

  /** @throws if the status of the session cannot be changed; the caller tries again */
  async #graceOver(id: SessionId, epoch: number, orphaned: boolean): Promise<void> {
    const { store, logger } = this.#options;
    const leases = await store.leases.of(id);
    const lease = leases.find((held) => held.epoch === epoch);
    if (lease === undefined) return;
    // While others share the session, they go on with it.
    let became = leases.length === 1 ? await this.#applyOnLost(lease, orphaned) : undefined;
    // A shared worker may have come back meanwhile.
    if (!(await this.holds(id, epoch))) return;
    await this.release(id, epoch, "lost");
    // The last workers of two hosts may end at the same moment: then neither was the last one before.
    if (leases.length > 1 && (await store.leases.of(id)).length === 0)
      became = await this.#applyOnLost(lease, orphaned).catch(() => undefined);
    logger.warn({ ...lease, became }, "worker is not coming back: its lease has ended");
    this.announce("worker.lost", lease, { gone: true });
  }

  /** @throws if the status of the session cannot be changed */
  async #applyOnLost(lease: Lease, orphaned: boolean): Promise<"paused" | "failed" | undefined> {
    const { store, logger } = this.#options;
    const id = lease.session_id as SessionId;
    try {
      if (isOtherGeneration(lease.generation, (await store.summary(id)).generation)) return undefined;
      return await applyOnLost(store, id, lease, orphaned, this.#onLost);
    } catch (error) {
      if (isSessiondError(error, "session_not_found", "session_deleted")) return undefined;
      logger.warn({ err: error, ...lease }, "cannot apply worker.on_lost to a session; trying again");
      throw error;
    }
  }
}
