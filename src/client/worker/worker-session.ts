/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The public class for a worker. It brings together connection, outstanding reports, session document and
 * loop.
 *
 * The room client/worker/ owns a worker at work: its lease, its connection, its reports and its loop over
 * files. It knows no other worker.
 */
import type { DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session, Status } from "../../session/session.ts";
import { errorOf, withOutcome } from "./error.ts";
import { Loop, type LoopHost } from "./for-each.ts";
import type { ForEachOptions, ForEachSummary, Work } from "./for-each-options.ts";
import { LeaseConnection, type LeaseConnectionOptions } from "./lease-connection.ts";
import { Outbox, type Receipt } from "./outbox.ts";
import { Refresh, type RefreshOptions } from "./refresh.ts";
import { type EncodedReport, encodeReport, type Reported } from "./report.ts";
import type { SessionDocument } from "./session-document.ts";
import { WorkerStopped } from "./stop.ts";
import { WorkStatus } from "./work-status.ts";
import type { Attached } from "./worker-socket.ts";

type ConnectOptions = Pick<LeaseConnectionOptions, "daemon" | "worker" | "timeoutMs" | "reconnectMs"> &
  RefreshOptions;

/**
 * A loop waits while it has more outstanding reports. If its process dies, their files are worked on again.
 */
const maxOutstanding = 10_000;
const maxOutstandingSize = 16 * 1024 * 1024;

/** Refusals of a daemon that is about to stop. The report is sent again to the next one. */
const stopping = ["shutting_down", "storage_failed"] as const;
/** The delay before a report is sent again that was refused because the session cannot be read. */
const unreadableDelayMs = 100;

/**
 * The worker of a session, created by {@link SessionClient.attach}. It reconnects after a lost connection and
 * sends all unacknowledged reports again; meanwhile work can go on. It ends with {@link
 * WorkerSession.detach}, or when its lease or its session is lost.
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
  /** Set by `attach`, before anybody has this object. */
  #document!: SessionDocument;
  readonly #work: WorkStatus;
  /** Reads the session again when it is resumed. */
  readonly #refresh: Refresh;
  #loop: Loop | undefined;
  #sending = false;
  /** Set when the lease has ended: the reason why nothing more can be reported. */
  #end: Error | undefined;
  #leaving: Promise<void> | undefined;
  readonly #patienceMs: number;
  #unreadableSince: number | undefined;
  #pause: NodeJS.Timeout | undefined;
  readonly #waiters: (() => void)[] = [];

  private constructor(id: string, options: ConnectOptions) {
    this.#id = id;
    this.#work = new WorkStatus(id);
    this.#refresh = new Refresh(options);
    this.#patienceMs = options.reconnectMs;
    this.#connection = new LeaseConnection({
      ...options,
      id,
      onAttached: (message) => this.#attached(message),
      onMessage: (message) => this.#receive(message),
      onTooLarge: (error) => this.#outbox.tooLarge(error),
      onLost: () => {
        this.#outbox.lost();
        this.#refresh.cancel();
      },
      onEnd: (error) => this.#ended(error),
    });
  }

  /** For internal use. Call {@link SessionClient.attach} instead. */
  static async attach(id: string, options: ConnectOptions, signal?: AbortSignal): Promise<WorkerSession> {
    const worker = new WorkerSession(id, options);
    await worker.#connection.attach(signal);
    return worker;
  }

  /**
   * The session as it was when the worker connected or the session was resumed, together with all
   * acknowledged reports since. It changes when acknowledgements and status changes arrive. After a
   * reconnection and after a resume it is another object.
   */
  get session(): Session {
    return this.#document.session;
  }

  /** The number of the lease. It grows with each connection. */
  get epoch(): number {
    return this.#connection.epoch;
  }

  /** False while the worker is reconnecting. Reports then wait. */
  get isConnected(): boolean {
    return this.#connection.isAttached;
  }

  /**
   * The present status of the session. After a resume it is `running` as soon as `session` was read again.
   */
  get status(): Status | "deleted" {
    return this.#work.status;
  }

  /**
   * Aborted when this worker should stop. The reason is a {@link WorkerStopped} if the session is no longer
   * running or the lease has ended; else it is the error that ended the connection. When the session is
   * resumed, there is a new signal.
   */
  get signal(): AbortSignal {
    return this.#work.signal;
  }

  /**
   * Resolves when the session is running: at once unless it is paused. `signal` is then one that is not
   * aborted, and `session` has the files as they are then: others may have added, processed or requeued some
   * during the pause.
   *
   * @throws WorkerStopped if the session is completed, failed or deleted, or the lease has ended; the error
   * that ended the connection; the reason of the given signal
   * @example
   * while (worker.session.pending_files.length > 0) {
   *   await worker.resumed();
   *   for (const file of worker.session.pending_files) {
   *     if (worker.signal.aborted) break;
   *     await worker.report({ processed: [file], results: { [file]: await analyze(file) } });
   *   }
   * }
   */
  async resumed(signal?: AbortSignal): Promise<void> {
    await this.#work.resumed(signal);
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
    const done = new Promise<Reported>((resolve, reject) => {
      this.#submit(encodeReport(delta), { resolve, reject });
    });
    // The loop throws the error, in case nobody awaits the promise.
    const loop = this.#loop;
    if (loop !== undefined) done.catch((error: unknown) => loop.failed(error));
    return done;
  }

  /**
   * Calls `work` for each pending file and reports the file with the returned value as its result. Ends early
   * if the session is paused (unless `onPause` is `hold`), completed, failed or deleted, if the lease is
   * lost, or if the given signal is aborted. Work that has begun may then still finish and is reported.
   * Resolves when all reports are durable.
   *
   * @throws the error of the work on a file, unless `onError` handles it; the error of a report; a
   * ConnectionError if the daemon could not be reached again in time; `invalid_request` if another `forEach`
   * is running
   */
  async forEach(work: Work, options: ForEachOptions = {}): Promise<ForEachSummary> {
    if (this.#loop !== undefined) {
      throw new SessiondError(
        "invalid_request",
        "this worker is already running forEach; wait for it to end",
      );
    }
    this.#loop = new Loop(this.#host(), work, options);
    try {
      return await this.#loop.run();
    } finally {
      this.#loop = undefined;
    }
  }

  /**
   * Ends the lease after all outstanding reports have been answered. Nothing can be reported from now on. A
   * worker that is not detached keeps its process running.
   */
  detach(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
  }

  async #leave(): Promise<void> {
    this.#refresh.cancel();
    this.#work.end(new WorkerStopped(this.#id, "detached"));
    await this.#until(() => this.#outbox.count === 0);
    this.#connection.detach();
    await this.#until(() => this.#end !== undefined);
  }

  #host(): LoopHost {
    const worker = this;
    const outbox = this.#outbox;
    return {
      get session() {
        return worker.session;
      },
      get signal() {
        return worker.signal;
      },
      resumed: (signal) => this.resumed(signal),
      get isEnded() {
        return worker.#end !== undefined;
      },
      get hasRoom() {
        return outbox.count < maxOutstanding && outbox.size < maxOutstandingSize;
      },
      get hasOutstanding() {
        return outbox.count > 0;
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
    // Sent at once, so that the daemon works while further reports are made.
    if (this.#outbox.isPartFull) this.#send();
    if (this.#sending) return;
    this.#sending = true;
    // A microtask, so that reports made in the same turn are merged.
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
    this.#document = this.#refresh.take(session);
    this.#follow(session.status, session.status_reason ?? null);
    this.#send();
    this.#loop?.replaced();
  }

  #receive(message: DaemonMessage): void {
    if (message.type === "ack") {
      this.#acked(message.seq, message.revision);
    } else if (message.type === "status") {
      const { status, reason } = message;
      if (status === "running" && this.signal.aborted && this.#leaving === undefined) {
        void this.#goOn();
      } else this.#follow(status, reason);
    } else if (message.type === "error" && message.seq !== undefined) {
      this.#refused(message.seq, errorOf(message));
    }
  }

  #refused(seq: number, error: SessiondError): void {
    if (error.outcome === "unknown" || isSessiondError(error, ...stopping)) {
      this.#connection.renew(error);
      return;
    }
    this.#connection.alive();
    if (isSessiondError(error, "session_corrupt") && this.#mayWait()) {
      this.#outbox.again(seq);
      return;
    }
    this.#outbox.refused(seq, error);
    this.#answered();
  }

  /** Pauses sending for a moment; returns false if the session has been unreadable for too long. */
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
    for (const { parcels, text } of messages) {
      const reports = parcels.map(({ report }) => report);
      this.#refresh.acked({ revision, reports, text });
      for (const file of this.#document.apply(reports, text)) added.push(file);
    }
    if (added.length > 0) this.#loop?.added(added);
    const reported: Reported = Object.freeze({ revision });
    for (const { parcels } of messages) for (const { receipt } of parcels) receipt.resolve(reported);
    this.#answered();
  }

  /** The session was resumed: reads it again before anybody goes on. */
  async #goOn(): Promise<void> {
    try {
      const document = await this.#refresh.start();
      if (document === undefined) return;
      this.#document = document;
      // It may have been paused again since; the message about that is on its way.
      this.#follow(document.session.status, document.session.status_reason ?? null);
      this.#loop?.replaced();
    } catch (error) {
      // A new connection brings the session with it.
      this.#connection.renew(error as Error);
    }
  }

  #follow(status: Status | "deleted", reason: string | null): void {
    this.#refresh.cancel();
    if (status !== "deleted") this.#document.setStatus(status, reason);
    this.#work.follow(status, reason);
  }

  #ended(error: Error | undefined): void {
    clearTimeout(this.#pause);
    this.#refresh.cancel();
    this.#end = error ?? detached(this.#id);
    this.#outbox.fail((sent) => withOutcome(this.#end as Error, sent ? "unknown" : "not_applied"));
    this.#work.end(stopReason(this.#id, this.#end));
    this.#answered();
  }

  /** Continues after outstanding reports were answered or rejected. */
  #answered(): void {
    this.#send();
    this.#loop?.answered();
    for (const waiter of this.#waiters.splice(0)) waiter();
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }
}

function stopReason(id: string, error: Error): Error {
  if (isSessiondError(error, "lease_lost")) return new WorkerStopped(id, "lease_lost");
  if (isSessiondError(error, "session_deleted", "session_not_found")) return new WorkerStopped(id, "deleted");
  return error;
}

function detached(id: string): SessiondError {
  return new SessiondError("invalid_request", `this worker has detached from session "${id}"; attach again`);
}
