/**
 * What every worker has: its lease, its outstanding reports, and the status of its session. What a worker
 * knows of the files of its session is for others to say: `LinkOwner`.
 */
import type { DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Status } from "../../session/session.ts";
import { errorOf, withOutcome } from "./error.ts";
import { LeaseConnection, type LeaseConnectionOptions } from "./lease-connection.ts";
import type { LinkLoop, LinkOwner } from "./link-owner.ts";
import { Outbox, type Receipt } from "./outbox.ts";
import { type EncodedReport, encodeReport, type Reported } from "./report.ts";
import { WorkerStopped } from "./stop.ts";
import { WorkStatus } from "./work-status.ts";
import type { Attached } from "./worker-socket.ts";

export type LinkOptions = Pick<LeaseConnectionOptions, "daemon" | "worker" | "timeoutMs" | "reconnectMs">;

/**
 * A loop waits while it has more outstanding reports. If its process dies, their files are worked on again.
 */
const maxOutstanding = 10_000;
const maxOutstandingSize = 16 * 1024 * 1024;

/** Refusals of a daemon that cannot go on now. The report is sent again on the next connection. */
const stopping = ["shutting_down", "storage_failed", "storage_unavailable"] as const;
/** The delay before a report is sent again that was refused because the session cannot be read. */
const unreadableDelayMs = 100;

export class WorkerLink {
  readonly id: string;
  /** The loop that is running. */
  loop: LinkLoop | undefined;
  readonly #owner: LinkOwner;
  readonly #connection: LeaseConnection;
  readonly #outbox = new Outbox(() => this.nextSeq());
  readonly #work: WorkStatus;
  #lastSeq = 0;
  #sending = false;
  /** Set when the lease has ended: the reason why nothing more can be reported. */
  #end: Error | undefined;
  #leaving: Promise<void> | undefined;
  readonly #patienceMs: number;
  #unreadableSince: number | undefined;
  #pause: NodeJS.Timeout | undefined;
  readonly #waiters: (() => void)[] = [];

  constructor(id: string, owner: LinkOwner, options: LinkOptions & { shared: boolean }) {
    this.id = id;
    this.#owner = owner;
    this.#work = new WorkStatus(id);
    this.#patienceMs = options.reconnectMs;
    this.#connection = new LeaseConnection({
      ...options,
      id,
      onAttached: (message) => this.#attached(message),
      onMessage: (message) => this.#receive(message),
      onTooLarge: (error) => this.#outbox.tooLarge(error),
      onLost: () => {
        this.#outbox.lost();
        this.#owner.lost();
      },
      onEnd: (error) => this.#ended(error),
    });
  }

  /** Resolves when attached. @throws SessiondError, ConnectionError, the signal's reason */
  attach(signal: AbortSignal | undefined): Promise<void> {
    return this.#connection.attach(signal);
  }

  get epoch(): number {
    return this.#connection.epoch;
  }

  get isConnected(): boolean {
    return this.#connection.isAttached;
  }

  get status(): Status | "deleted" {
    return this.#work.status;
  }

  get signal(): AbortSignal {
    return this.#work.signal;
  }

  /** Whether the lease has ended, so that nothing can be reported. */
  get isEnded(): boolean {
    return this.#end !== undefined;
  }

  /** Whether the worker has begun to detach. */
  get isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /** Whether there are few enough outstanding reports to start more work. */
  get hasRoom(): boolean {
    return this.#outbox.count < maxOutstanding && this.#outbox.size < maxOutstandingSize;
  }

  /** Whether any report is waiting for its answer. */
  get hasOutstanding(): boolean {
    return this.#outbox.count > 0;
  }

  resumed(signal?: AbortSignal): Promise<void> {
    return this.#work.resumed(signal);
  }

  /** Resolves when the report is durable. */
  report(delta: ProgressDelta): Promise<Reported> {
    const done = new Promise<Reported>((resolve, reject) => {
      this.submit(encodeReport(delta), { resolve, reject });
    });
    // The loop throws the error, in case nobody awaits the promise.
    const { loop } = this;
    if (loop !== undefined) done.catch((error: unknown) => loop.failed(error));
    return done;
  }

  /** Reports. May call the receipt before it returns. */
  submit(report: EncodedReport, receipt: Receipt): void {
    if (this.#end !== undefined || this.#leaving !== undefined) {
      receipt.reject(withOutcome(this.#end ?? detached(this.id), "not_applied"));
      return;
    }
    this.#outbox.add(report, this.#owner.submitting(report, receipt));
    // Sent at once, so that the daemon works while further reports are made.
    if (this.#outbox.isPartFull) this.#send();
    this.sendSoon();
  }

  /** @throws the error with which the lease has ended; `invalid_request` if the worker has detached */
  assertOpen(): void {
    if (this.#end !== undefined) throw this.#end;
    if (this.#leaving !== undefined) throw detached(this.id);
  }

  /** Sends what waits, at the end of this turn. */
  sendSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    // A microtask, so that reports made in the same turn are merged.
    queueMicrotask(() => {
      this.#sending = false;
      this.#send();
    });
  }

  /** The number of the next message. It grows over all messages. */
  nextSeq(): number {
    return ++this.#lastSeq;
  }

  /**
   * Resolves reports that are known to be durable, at the latest with this revision, although no ack has
   * come.
   */
  settle(isDurable: (receipt: Receipt) => boolean, revision: number): void {
    for (const { receipt } of this.#outbox.settled(isDurable)) receipt.resolve({ revision });
  }

  /** Tells everybody the status of the session. */
  follow(status: Status | "deleted", reason: string | null): void {
    this.#work.follow(status, reason);
  }

  /** Drops the connection and makes a new one, because of this error. */
  renew(error: Error): void {
    this.#connection.renew(error);
  }

  /** Ends the lease after all outstanding reports have been answered. */
  detach(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    this.#owner.leaving(detached(this.id));
    this.#work.end(new WorkerStopped(this.id, "detached"));
    await this.#until(() => this.#outbox.count === 0);
    this.#connection.detach();
    await this.#until(() => this.#end !== undefined);
  }

  #send(): void {
    if (!this.#connection.isAttached || this.#pause !== undefined) return;
    for (let text = this.#outbox.next(); text !== undefined; text = this.#outbox.next()) {
      this.#connection.send(text);
    }
    const { requests } = this.#owner;
    if (requests === undefined) return;
    for (let text = requests.next(); text !== undefined; text = requests.next()) this.#connection.send(text);
  }

  #attached(message: Attached): void {
    this.#owner.attached(message);
    this.#send();
    this.loop?.woken();
  }

  #receive(message: DaemonMessage): void {
    if (message.type === "ack") {
      this.#acked(message.seq, message.revision);
    } else if (message.type === "status") {
      this.#owner.statusChanged(message.status, message.reason);
    } else if (message.type === "claimed") {
      this.#connection.alive();
      this.#owner.requests?.claimed(message);
      this.#answered();
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
      this.#owner.requests?.again(seq);
      return;
    }
    this.#outbox.refused(seq, error);
    this.#owner.requests?.refused(seq, error);
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
    const messages = this.#outbox.acked(seq);
    this.#owner.acked(messages, revision);
    const reported: Reported = Object.freeze({ revision });
    for (const { parcels } of messages) for (const { receipt } of parcels) receipt.resolve(reported);
    this.#owner.requests?.acked(seq);
    this.#answered();
  }

  #ended(error: Error | undefined): void {
    clearTimeout(this.#pause);
    this.#owner.lost();
    this.#end = error ?? detached(this.id);
    const errorFor = (sent: boolean) => withOutcome(this.#end as Error, sent ? "unknown" : "not_applied");
    this.#outbox.fail(errorFor);
    this.#owner.requests?.fail(errorFor);
    this.#work.end(stopReason(this.id, this.#end));
    this.#answered();
  }

  /** Continues after outstanding reports were answered or rejected. */
  #answered(): void {
    this.#send();
    this.loop?.woken();
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
