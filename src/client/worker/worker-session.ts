/// <reference lib="esnext.disposable" preserve="true" />
import { setMaxListeners } from "node:events";
import type { DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session, Status } from "../../session/session.ts";
import { errorOf, withOutcome } from "./error.ts";
import { type ForEachOptions, type ForEachSummary, Loop, type LoopHost, type Work } from "./for-each.ts";
import { LeaseConnection, type LeaseConnectionOptions } from "./lease-connection.ts";
import { Outbox, type Receipt } from "./outbox.ts";
import { type EncodedReport, encodeReport, type Reported } from "./report.ts";
import { SessionDocument } from "./session-document.ts";
import { WorkerStopped } from "./stop.ts";
import type { Attached } from "./worker-socket.ts";

type ConnectOptions = Pick<LeaseConnectionOptions, "socketPath" | "worker" | "timeoutMs" | "reconnectMs"> & {
  keepsResults: boolean;
};

/** What a loop may have under way before it waits: so much may be worked on again when its process dies. */
const maxUnsettled = 10_000;
const maxUnsettledSize = 16 * 1024 * 1024;

/** Refusals of a daemon that is about to end: the next one may take the report. */
const elsewhere = ["shutting_down", "storage_failed"] as const;
/** How long a report waits that was refused because the session cannot be read, which somebody may mend. */
const unreadableDelayMs = 100;

/**
 * The one worker of a session, made by `attach`. A lost connection is made again, and what was not acknowledged is reported
 * again; work can go on meanwhile. It ends with {@link detach}, or when it loses its session.
 *
 * @example
 * await using worker = await client.attach(id);
 * const { stopped } = await worker.forEach((file) => analyze(file), { concurrency: 8 });
 * if (stopped === null) await client.completeSession(id);
 */
export class WorkerSession {
  readonly #id: string;
  readonly #connection: LeaseConnection;
  readonly #outbox = new Outbox();
  /** There before anybody has this object: attaching brings it. */
  #document!: SessionDocument;
  #status: Status | "deleted" = "running";
  #stop = stopController();
  #loop: Loop | undefined;
  #sending = false;
  /** Why nothing more can be reported. */
  #end: Error | undefined;
  #leaving: Promise<void> | undefined;
  readonly #keepsResults: boolean;
  readonly #patienceMs: number;
  #unreadableSince: number | undefined;
  #pause: NodeJS.Timeout | undefined;
  readonly #waiters: (() => void)[] = [];

  private constructor(id: string, options: ConnectOptions) {
    this.#id = id;
    this.#keepsResults = options.keepsResults;
    this.#patienceMs = options.reconnectMs;
    this.#connection = new LeaseConnection({
      ...options,
      id,
      onAttached: (message) => this.#attached(message),
      onMessage: (message) => this.#receive(message),
      onTooLarge: (error) => this.#outbox.tooLarge(error),
      onLost: () => this.#outbox.lost(),
      onEnd: (error) => this.#ended(error),
    });
  }

  /** For clients: `SessionClient.attach` knows where the daemon is. */
  static async attach(id: string, options: ConnectOptions, signal?: AbortSignal): Promise<WorkerSession> {
    const worker = new WorkerSession(id, options);
    await worker.#connection.attach(signal);
    return worker;
  }

  /**
   * The session as it was when the connection was made, and with what this worker was acknowledged since. It changes as
   * acknowledgments and changes of the status arrive.
   */
  get session(): Session {
    return this.#document.session;
  }

  /** The number of the lease: higher than that of any before it, and new with each connection. */
  get epoch(): number {
    return this.#connection.epoch;
  }

  /** False while a lost connection is made again: what is reported meanwhile waits. */
  get isConnected(): boolean {
    return this.#connection.isAttached;
  }

  /** The status of the session, whoever changed it. */
  get status(): Status | "deleted" {
    return this.#status;
  }

  /**
   * Aborted when this worker is to stop: with a {@link WorkerStopped} as its reason when the session is no longer running
   * or its lease is over, else with the error that ended the connection. Once the session is resumed there is a new one.
   */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Reports files that are done, what was found in them, and files that turned out to need work. Any number of reports
   * may be under way; what is reported while others are rides together. Resolves when the report is durable.
   *
   * @throws SessiondError `invalid_request`, `storage_full` …; after `lease_lost`, `session_deleted` and a ConnectionError
   * nothing more can be reported. With `outcome` `unknown`, the report may be kept all the same.
   */
  report(delta: ProgressDelta): Promise<Reported> {
    const done = new Promise<Reported>((resolve, reject) => {
      this.#submit(encodeReport(delta), { resolve, reject });
    });
    // A loop tells of it, should nobody look at the promise.
    const loop = this.#loop;
    if (loop !== undefined) done.catch((error: unknown) => loop.failed(error));
    return done;
  }

  /**
   * Works on each pending file and reports it, with what the work returned as its result. It ends early when the session
   * is paused, completed, failed or deleted, when the lease is lost, or on the given signal: work under way may finish, and
   * is reported. Resolves when everything that was reported is durable.
   *
   * @throws what the work of a file threw, unless `onError` decides; the error of a report; a ConnectionError when
   * the daemon stayed away
   */
  async forEach(work: Work, options: ForEachOptions = {}): Promise<ForEachSummary> {
    if (this.#loop !== undefined) {
      throw new SessiondError("invalid_request", "a loop of this worker is under way; wait for it to end");
    }
    this.#loop = new Loop(this.#host(), work, options);
    try {
      return await this.#loop.run();
    } finally {
      this.#loop = undefined;
    }
  }

  /**
   * Ends the lease when everything that was reported is settled. Work that is under way can no longer be reported. A worker
   * that never calls it keeps its process alive.
   */
  detach(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  async #leave(): Promise<void> {
    this.#stop.abort(new WorkerStopped(this.#id, "detached"));
    await this.#until(() => this.#outbox.count === 0);
    this.#connection.detach();
    await this.#until(() => this.#end !== undefined);
  }

  #host(): LoopHost {
    const worker = this;
    const [outbox, stop] = [this.#outbox, this.#stop];
    return {
      get session() {
        return worker.session;
      },
      signal: stop.signal,
      get isEnded() {
        return worker.#end !== undefined;
      },
      get hasRoom() {
        return outbox.count < maxUnsettled && outbox.size < maxUnsettledSize;
      },
      get isSettled() {
        return outbox.count === 0;
      },
      isPending: (file) => this.#document.isPending(file),
      submit: (report, receipt) => this.#submit(report, receipt),
    };
  }

  #submit(report: EncodedReport, receipt: Receipt): void {
    if (this.#end !== undefined || this.#leaving !== undefined) {
      receipt.reject(withOutcome(this.#end ?? detached(this.#id), "not_applied"));
      return;
    }
    this.#outbox.add(report, receipt);
    // The daemon works on these while the next ones are made.
    if (this.#outbox.isPartFull) this.#send();
    if (this.#sending) return;
    this.#sending = true;
    // What is reported in one go rides together.
    queueMicrotask(() => {
      this.#sending = false;
      this.#send();
    });
  }

  #send(): void {
    if (!this.#connection.isAttached || this.#pause !== undefined) return;
    for (let text = this.#outbox.next(); text !== undefined; text = this.#outbox.next()) {
      this.#connection.send(text);
    }
  }

  #attached({ session }: Attached): void {
    this.#document = new SessionDocument(session, this.#keepsResults);
    this.#follow(session.status, session.status_reason ?? null);
    this.#send();
    this.#loop?.replaced();
  }

  #receive(message: DaemonMessage): void {
    if (message.type === "ack") {
      this.#acked(message.seq, message.revision);
    } else if (message.type === "status") {
      this.#follow(message.status, message.reason);
    } else if (message.type === "error" && message.seq !== undefined) {
      this.#refused(message.seq, errorOf(message));
    }
  }

  #refused(seq: number, error: SessiondError): void {
    if (error.outcome === "unknown" || isSessiondError(error, ...elsewhere)) {
      this.#connection.renew(error);
      return;
    }
    this.#connection.alive();
    if (isSessiondError(error, "session_corrupt") && this.#mayWait()) {
      this.#outbox.again(seq);
      return;
    }
    this.#outbox.refused(seq, error);
    this.#settled();
  }

  /** Sends nothing for a moment, unless the session has been unreadable for too long. */
  #mayWait(): boolean {
    this.#unreadableSince ??= performance.now();
    if (performance.now() - this.#unreadableSince > this.#patienceMs) return false;
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.#send();
    }, unreadableDelayMs);
    return true;
  }

  #acked(seq: number, revision: number): void {
    this.#connection.alive();
    this.#unreadableSince = undefined;
    this.#document.setRevision(revision);
    const messages = this.#outbox.acked(seq);
    const added: string[] = [];
    for (const message of messages) {
      for (const { report } of message.parcels) {
        for (const file of this.#document.apply(report)) added.push(file);
      }
      if (message.parcels.some(({ report }) => report.results.length > 0)) {
        this.#document.keepResults(message.text);
      }
    }
    if (added.length > 0) this.#loop?.added(added);
    const reported: Reported = Object.freeze({ revision });
    for (const { parcels } of messages) for (const { receipt } of parcels) receipt.resolve(reported);
    this.#settled();
  }

  #follow(status: Status | "deleted", reason: string | null): void {
    this.#status = status;
    if (status !== "deleted") this.#document.setStatus(status, reason);
    if (this.#leaving !== undefined) return;
    if (status !== "running") this.#stop.abort(new WorkerStopped(this.#id, status, reason));
    else if (this.#stop.signal.aborted) this.#stop = stopController();
  }

  #ended(error: Error | undefined): void {
    clearTimeout(this.#pause);
    this.#end = error ?? detached(this.#id);
    this.#outbox.fail((sent) => withOutcome(this.#end as Error, sent ? "unknown" : "not_applied"));
    this.#stop.abort(stopReason(this.#id, this.#end));
    if (isSessiondError(error, "session_deleted", "session_not_found")) this.#status = "deleted";
    this.#settled();
  }

  #settled(): void {
    this.#send();
    this.#loop?.settled();
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}

function stopController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function stopReason(id: string, error: Error): Error {
  if (isSessiondError(error, "lease_lost")) return new WorkerStopped(id, "lease_lost");
  if (isSessiondError(error, "session_deleted", "session_not_found")) return new WorkerStopped(id, "deleted");
  return error;
}

function detached(id: string): SessiondError {
  return new SessiondError("invalid_request", `this worker has left "${id}"; attach to it again`);
}
