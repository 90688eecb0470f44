/// <reference lib="esnext.disposable" preserve="true" />
/**
 * What every worker can do, whether it has the session for itself or shares it: report, follow the status,
 * and leave.
 *
 * The room client/worker/ owns a worker at work: its lease, its connection, its reports and its loop over
 * files. It knows no other worker.
 */
import type { ProgressDelta } from "../../session/command.ts";
import type { Status } from "../../session/session.ts";
import type { Reported } from "./report.ts";
import type { WorkerLink } from "./worker-link.ts";

export abstract class Worker {
  readonly #link: WorkerLink;

  /** For internal use. Call {@link SessionClient.attach} instead. */
  constructor(link: WorkerLink) {
    this.#link = link;
  }

  /** The number of the lease. It grows with each connection. */
  get epoch(): number {
    return this.#link.epoch;
  }

  /** False while the worker is reconnecting. Reports then wait. */
  get isConnected(): boolean {
    return this.#link.isConnected;
  }

  /** The present status of the session. */
  get status(): Status | "deleted" {
    return this.#link.status;
  }

  /**
   * Aborted when this worker should stop. The reason is a {@link WorkerStopped} if the session is no longer
   * running or the lease has ended; else it is the error that ended the connection. When the session is
   * resumed, there is a new signal.
   */
  get signal(): AbortSignal {
    return this.#link.signal;
  }

  /**
   * Resolves when the session is running: at once unless it is paused. `signal` is then one that is not
   * aborted.
   *
   * @throws WorkerStopped if the session is completed, failed or deleted, or the lease has ended; the error
   * that ended the connection; the reason of the given signal
   */
  resumed(signal?: AbortSignal): Promise<void> {
    return this.#link.resumed(signal);
  }

  /**
   * Reports processed files, their results by key, and newly found files. Resolves when the report is
   * durable. Any number of reports may be outstanding; reports that are made while others are in flight are
   * merged.
   *
   * @throws SessiondError `invalid_request`, `storage_full` …; after `lease_lost`, `session_deleted` or a
   * ConnectionError nothing more can be reported. If `outcome` is `unknown`, the report may have been stored.
   */
  report(delta: ProgressDelta): Promise<Reported> {
    return this.#link.report(delta);
  }

  /**
   * Ends the lease after all outstanding reports have been answered. Nothing can be reported from now on. A
   * worker that is not detached keeps its process running.
   */
  detach(): Promise<void> {
    return this.#link.detach();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }
}
