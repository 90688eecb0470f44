/**
 * Keeps a worker connected for the time of its lease: reconnects after a lost connection, and stops when the
 * lease ends. It knows nothing of reports.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { attachPath, type ClosingMessage, type DaemonMessage } from "../../contract/channel.ts";
import { isSessiondError, type SessiondError } from "../../error.ts";
import { ownIdentity } from "../../host/process-identity.ts";
import { backoffMs, connectAttempts, isQueueFull } from "../http/backoff.ts";
import { ConnectionError, checkSocketPath, connectionError } from "../http/connection-error.ts";
import { type Daemon, revived } from "../http/daemon.ts";
import { fillPath } from "../http/http.ts";
import { encodeQuery } from "../http/query.ts";
import { closingError } from "./error.ts";
import { type Attached, type SocketEnd, WorkerSocket } from "./worker-socket.ts";

export interface LeaseConnectionOptions {
  daemon: Daemon;
  id: string;
  worker: string | undefined;
  /** Whether the session has other workers, too. */
  shared: boolean;
  /** The timeout of one attempt to connect, in milliseconds; 0 waits without limit. */
  timeoutMs: number;
  /** How long to try to reconnect, in milliseconds. */
  reconnectMs: number;
  /** Called for the first connection and each later one. */
  onAttached: (message: Attached) => void;
  onMessage: (message: DaemonMessage) => void;
  /** Called when the connection is lost. Messages without an answer will not get one. */
  onLost: () => void;
  /** Called before `onLost` if the connection was lost because a message was too large. */
  onTooLarge: (error: SessiondError) => void;
  /** Called when there will be no further connection; without an error if the worker has detached. */
  onEnd: (error: Error | undefined) => void;
}

/** How long an attempt to connect may take that begins when the time to reconnect is almost over. */
const leastAttemptMs = 5000;
const firstDelayMs = 10;
/** A connection that ends sooner without an answer from the daemon counts as a failed attempt. */
const stableMs = 5000;
const detachMs = 5000;
/** Refusals that may pass. */
const passing = [
  "shutting_down",
  "storage_full",
  "storage_failed",
  "storage_unavailable",
  "session_corrupt",
  "internal",
] as const;
const detachText = '{"type":"detach"}';

export class LeaseConnection {
  readonly #options: LeaseConnectionOptions;
  readonly #ended = new AbortController();
  #socket: WorkerSocket | undefined;
  #epoch: number | undefined;
  /** Proves to the daemon that the lease is this worker's. Never logged, and in no error. */
  #token: string | undefined;
  #isAttached = false;
  #attachedAt = 0;
  /** The time since which there has been no useful connection. */
  #lostAt: number | undefined;
  /** The number of attempts since then. */
  #attempts = 0;
  #detaching = false;

  constructor(options: LeaseConnectionOptions) {
    this.#options = options;
  }

  get isAttached(): boolean {
    return this.#isAttached;
  }

  /** The epoch of the newest connection. */
  get epoch(): number {
    return this.#epoch ?? 0;
  }

  /** Resolves when attached. @throws SessiondError, ConnectionError, the signal's reason */
  async attach(signal: AbortSignal | undefined): Promise<void> {
    const { daemon } = this.#options;
    await daemon.ready?.();
    checkSocketPath(daemon.socketPath);
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

  /** Sends a message. Must be called only while attached. */
  send(text: string): void {
    this.#socket?.send(text);
  }

  /** Called when the daemon has answered a report, so that the connection counts as useful. */
  alive(): void {
    this.#lostAt = undefined;
    this.#attempts = 0;
  }

  /** Drops the connection and makes a new one, because the daemon can answer only with this error. */
  renew(error: Error): void {
    this.#socket?.end(error);
  }

  /** Ends the lease. If the daemon cannot be told in time, the lease ends after its grace period. */
  detach(): void {
    if (this.#detaching || this.#ended.signal.aborted) return;
    this.#detaching = true;
    if (this.#isAttached) this.send(detachText);
    const timer = setTimeout(() => this.#end(undefined), detachMs);
    this.#ended.signal.addEventListener("abort", () => clearTimeout(timer));
  }

  /** Resolves when attached; rejects with the error that ended the attempt. */
  #connect(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { daemon, id, worker, shared, onAttached, onMessage } = this.#options;
    const { socketPath } = daemon;
    const query = { worker, process: ownIdentity(), shared: shared || undefined };
    const path = `${fillPath(attachPath, { id })}${encodeQuery(query)}`;
    return new Promise((resolve, reject) => {
      const abort = () => socket.end(signal?.reason as Error);
      const socket = new WorkerSocket({
        socketPath,
        path,
        shared,
        token: this.#token,
        timeoutMs,
        onAttached: (message) => {
          signal?.removeEventListener("abort", abort);
          this.#epoch = message.epoch;
          this.#token = message.token;
          this.#isAttached = true;
          this.#attachedAt = performance.now();
          onAttached(message);
          if (this.#detaching) this.send(detachText);
          resolve();
        },
        onMessage,
        onEnd: (end) => {
          signal?.removeEventListener("abort", abort);
          this.#socket = undefined;
          if (this.#isAttached) this.#lost(end);
          else reject(end.error ?? connectionError(new Error("closed"), socketPath, { sent: true }));
        },
      });
      this.#socket = socket;
      signal?.addEventListener("abort", abort);
    });
  }

  #lost({ closing, error }: SocketEnd): void {
    this.#isAttached = false;
    if (this.#ended.signal.aborted) return;
    if (closing !== undefined && isFinal(closing)) {
      const isLeft = this.#detaching && closing.code === "detached";
      this.#end(isLeft ? undefined : closingError(closing));
      return;
    }
    if (closing?.code === "payload_too_large") this.#options.onTooLarge(closingError(closing));
    this.#options.onLost();
    if (performance.now() - this.#attachedAt > stableMs) this.alive();
    void this.#reconnect(
      error ?? connectionError(new Error("lost"), this.#options.daemon.socketPath, { sent: true }),
    );
  }

  async #reconnect(cause: Error): Promise<void> {
    const { reconnectMs, timeoutMs } = this.#options;
    const { signal } = this.#ended;
    this.#lostAt ??= performance.now();
    let last = cause;
    for (;;) {
      const leftMs = Math.max(0, reconnectMs - (performance.now() - this.#lostAt));
      if (leftMs === 0) return this.#end(last);
      await sleep(Math.min(backoffMs(++this.#attempts, firstDelayMs), leftMs), undefined, { signal }).catch(
        () => {},
      );
      if (signal.aborted) return;
      // On a busy machine an attempt that is cut short would say nothing of the daemon.
      const limitMs = Math.max(leftMs, leastAttemptMs);
      try {
        return await this.#connect(timeoutMs > 0 ? Math.min(timeoutMs, limitMs) : limitMs);
      } catch (error) {
        last = await revived(this.#options.daemon, error as Error);
        if (!mayPass(last)) return this.#end(last);
      }
    }
  }

  #end(error: Error | undefined): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#isAttached = false;
    this.#socket?.end(error ?? new Error("detached"));
    // An error while detaching does not matter, because the lease is to end.
    this.#options.onEnd(this.#detaching ? undefined : error);
  }
}

/** Whether the worker must not reconnect. */
function isFinal({ code }: ClosingMessage): boolean {
  return (
    code === "detached" || code === "lease_lost" || code === "session_deleted" || code === "invalid_request"
  );
}

/** Whether a later attempt to reconnect may succeed after this error. */
function mayPass(error: Error): boolean {
  if (error instanceof ConnectionError) return error.reason !== "stopped" && error.reason !== "not_started";
  return isSessiondError(error, ...passing);
}
