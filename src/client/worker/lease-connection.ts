/**
 * The connection of a worker over the time of its lease: made again when it is lost, and ended for good when the lease is.
 * It knows how to stay connected, not what is reported.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { attachPath, closeCodes, type DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, SessiondError } from "../../error.ts";
import { backoffMs, connectAttempts, isQueueFull } from "../http/backoff.ts";
import { ConnectionError, checkSocketPath, connectionError } from "../http/connection-error.ts";
import { fillPath } from "../http/http.ts";
import { encodeQuery } from "../http/query.ts";
import { errorOf } from "./error.ts";
import { type Attached, type SocketEnd, WorkerSocket } from "./worker-socket.ts";

export interface LeaseConnectionOptions {
  socketPath: string;
  id: string;
  worker: string | undefined;
  /** Milliseconds that one attempt to connect may take; 0 waits for ever. */
  timeoutMs: number;
  /** Milliseconds that a lost connection is tried to be made again. */
  reconnectMs: number;
  /** With the first connection and each later one. */
  onAttached: (message: Attached) => void;
  onMessage: (message: DaemonMessage) => void;
  /** The connection was lost; of what was sent, nothing more will be answered. */
  onLost: () => void;
  /** As `onLost`, because a message was too large. */
  onTooLarge: (error: SessiondError) => void;
  /** There will be no other connection. Without an error, because the worker has detached. */
  onEnd: (error: Error | undefined) => void;
}

const firstDelayMs = 10;
/** A connection that ends sooner, and was of no use, counts as a failed attempt. */
const stableMs = 5000;
const detachMs = 5000;
const passing = ["shutting_down", "storage_full", "storage_failed", "session_corrupt", "internal"] as const;
const detachText = '{"type":"detach"}';

export class LeaseConnection {
  readonly #options: LeaseConnectionOptions;
  readonly #ended = new AbortController();
  #connection: WorkerSocket | undefined;
  #epoch: number | undefined;
  #isAttached = false;
  #attachedAt = 0;
  /** Since when there has been no connection that was of use. */
  #lostAt: number | undefined;
  /** Since then. */
  #attempts = 0;
  /** Why the daemon is about to close the connection. */
  #told: SessiondError | undefined;
  #detaching = false;

  constructor(options: LeaseConnectionOptions) {
    this.#options = options;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** Of the newest connection. */
  get epoch(): number {
    return this.#epoch ?? 0;
  }

  /** Resolves when attached. @throws SessiondError, ConnectionError, the signal's reason */
  async attach(signal: AbortSignal | undefined): Promise<void> {
    checkSocketPath(this.#options.socketPath);
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        return await this.#connect(this.#options.timeoutMs, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const isBusy = error instanceof ConnectionError && isQueueFull(error.cause);
        if (!isBusy || attempt === connectAttempts) throw error;
        await sleep(backoffMs(attempt, firstDelayMs));
      }
    }
  }

  /** Only while attached. */
  send(text: string): void {
    this.#connection?.send(text);
  }

  /** The connection is of use. */
  alive(): void {
    this.#lostAt = undefined;
    this.#attempts = 0;
  }

  /** Makes the connection anew, of a daemon that answers no more than this. */
  renew(error: Error): void {
    this.#connection?.end(error);
  }

  /** Ends the lease. Where that cannot be said to the daemon in time, it ends when the grace is over. */
  detach(): void {
    if (this.#detaching || this.#ended.signal.aborted) return;
    this.#detaching = true;
    if (this.#isAttached) this.send(detachText);
    const timer = setTimeout(() => this.#end(undefined), detachMs);
    this.#ended.signal.addEventListener("abort", () => clearTimeout(timer));
  }

  /** Resolves when attached, and rejects with what ended the attempt. */
  #connect(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { socketPath, id, worker, onAttached, onMessage } = this.#options;
    const path = `${fillPath(attachPath, { id })}${encodeQuery({ worker, epoch: this.#epoch })}`;
    return new Promise((resolve, reject) => {
      const abort = () => connection.end(signal?.reason as Error);
      const connection = new WorkerSocket({
        socketPath,
        path,
        timeoutMs,
        onAttached: (message) => {
          signal?.removeEventListener("abort", abort);
          this.#epoch = message.epoch;
          this.#isAttached = true;
          this.#attachedAt = performance.now();
          this.#told = undefined;
          onAttached(message);
          if (this.#detaching) this.send(detachText);
          resolve();
        },
        onMessage: (message) => {
          if (message.type === "error" && message.seq === undefined) this.#told = errorOf(message);
          else onMessage(message);
        },
        onEnd: (end) => {
          signal?.removeEventListener("abort", abort);
          this.#connection = undefined;
          if (this.#isAttached) this.#lost(end);
          else reject(end.error ?? connectionError(new Error("closed"), socketPath, { sent: true }));
        },
      });
      this.#connection = connection;
      signal?.addEventListener("abort", abort);
    });
  }

  #lost({ code, error }: SocketEnd): void {
    this.#isAttached = false;
    if (this.#ended.signal.aborted) return;
    const isLeft = this.#detaching && code === closeCodes.detached;
    const end = finalError(this.#options.id, code, this.#told);
    if (isLeft || end !== undefined) {
      this.#end(end);
      return;
    }
    if (code === closeCodes.tooLarge) this.#options.onTooLarge(tooLarge);
    this.#options.onLost();
    if (performance.now() - this.#attachedAt > stableMs) this.alive();
    void this.#reconnect(
      error ?? connectionError(new Error("lost"), this.#options.socketPath, { sent: true }),
    );
  }

  async #reconnect(cause: Error): Promise<void> {
    const { reconnectMs, timeoutMs } = this.#options;
    const { signal } = this.#ended;
    this.#lostAt ??= performance.now();
    let last = cause;
    for (;;) {
      const leftMs = reconnectMs - (performance.now() - this.#lostAt);
      if (leftMs <= 0) return this.#end(last);
      await sleep(Math.min(backoffMs(++this.#attempts, firstDelayMs), leftMs), undefined, { signal }).catch(
        () => {},
      );
      if (signal.aborted) return;
      try {
        return await this.#connect(timeoutMs > 0 ? Math.min(timeoutMs, leftMs) : leftMs);
      } catch (error) {
        last = error as Error;
        if (!mayPass(last)) return this.#end(last);
      }
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#isAttached = false;
    this.#connection?.end(error ?? new Error("detached"));
    // A lease that is over is what detaching is for.
    this.#options.onEnd(this.#detaching ? undefined : error);
  }
}

/** What the daemon means by closing with this code, if it means that the worker is not to come back. */
function finalError(id: string, code: number | undefined, told?: SessiondError): SessiondError | undefined {
  switch (code) {
    case closeCodes.leaseLost:
      return told ?? new SessiondError("lease_lost", `the lease of "${id}" is over`);
    case closeCodes.sessionGone:
      return new SessiondError("session_deleted", `session "${id}" was deleted`);
    case closeCodes.invalid:
      return told ?? new SessiondError("internal", "sessiond did not understand its own client");
    default:
      return undefined;
  }
}

const tooLarge = new SessiondError(
  "payload_too_large",
  "the report is larger than sessiond takes (limits.body in its configuration)",
);

/** Whether a daemon that could not be reached, or refused, may take the worker in later. */
function mayPass(error: Error): boolean {
  return error instanceof ConnectionError || isSessiondError(error, ...passing);
}
