/**
 * Whether a worker may work: the status of its session, the signal that tells it to stop, and the wait for a
 * resume.
 */
import { setMaxListeners } from "node:events";
import type { Status } from "../../session/session.ts";
import { WorkerStopped } from "./stop.ts";

export class WorkStatus {
  readonly #id: string;
  #status: Status | "deleted" = "running";
  #reason: string | null = null;
  #stop = stopController();
  /** Why the worker has ended, or is leaving. */
  #over: Error | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(sessionId: string) {
    this.#id = sessionId;
  }

  get status(): Status | "deleted" {
    return this.#status;
  }

  /** Aborted while the worker should not work. When it may work again, there is a new signal. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  follow(status: Status | "deleted", reason: string | null): void {
    this.#status = status;
    this.#reason = reason;
    if (this.#over !== undefined) return;
    if (status !== "running") this.#stop.abort(new WorkerStopped(this.#id, status, reason));
    else if (this.#stop.signal.aborted) this.#stop = stopController();
    this.#wake();
  }

  /** The worker ends for good. Only the first reason counts. */
  end(reason: Error): void {
    if (reason instanceof WorkerStopped && reason.stopped === "deleted") this.#status = "deleted";
    this.#over ??= reason;
    this.#stop.abort(reason);
    this.#wake();
  }

  /** Resolves when the status is `running`: at once unless it is `paused`. @throws why it will not be */
  async resumed(signal: AbortSignal | undefined): Promise<void> {
    while (this.#status === "paused" && this.#over === undefined) {
      signal?.throwIfAborted();
      await this.#change(signal);
    }
    signal?.throwIfAborted();
    if (this.#over !== undefined) throw this.#over;
    if (this.#status !== "running") throw new WorkerStopped(this.#id, this.#status, this.#reason);
  }

  /** Resolves at the next change, or when the signal is aborted. */
  async #change(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal?.addEventListener("abort", wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}

function stopController(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}
