/**
 * The grace periods of lost workers. When a period is over without a reconnection, the lease ends. A worker
 * whose process has ended will not reconnect: its period is over at once.
 */
import { hasEnded } from "../../host/process-identity.ts";
import type { Lease } from "../../store/session-store.ts";
import { type Clock, formatTimestamp, microsPerMs } from "../../time/clock.ts";

/**
 * The delay before ending a lease is tried again after a failure, such as a full disk. It doubles each time.
 */
const firstRetryMs = 1000;
const maxRetryMs = 60_000;

/** Between two looks whether the process of a worker has ended. Its connection may end a little earlier. */
const lookMs = 100;

interface Grace {
  epoch: number;
  process: string | null;
  /** The start of the period, by performance.now(). */
  since: number;
  timer: NodeJS.Timeout | undefined;
  /** Whether the period is over. Then the worker can no longer reconnect. */
  over: boolean;
  retryMs: number;
}

export interface GracesOptions {
  graceMs: number;
  clock: Clock;
  /** Ends a lease. Called again later if it rejects. */
  onOver: (id: string, epoch: number) => Promise<void>;
}

export class Graces {
  readonly #options: GracesOptions;
  readonly #graces = new Map<string, Grace>();
  readonly #ending = new Set<Promise<void>>();
  #graceMs: number;

  constructor(options: GracesOptions) {
    this.#options = options;
    this.#graceMs = options.graceMs;
  }

  get(id: string): Readonly<Grace> | undefined {
    return this.#graces.get(id);
  }

  /** The time until which the worker may reconnect, as ISO 8601. */
  until({ since }: Readonly<Grace>): string {
    const leftMs = Math.max(0, since + this.#graceMs - performance.now());
    return formatTimestamp(this.#options.clock.now() + Math.round(leftMs) * microsPerMs);
  }

  begin(id: string, { epoch, process }: Pick<Lease, "epoch" | "process">): void {
    this.end(id);
    const since = performance.now();
    const grace = { epoch, process, since, timer: undefined, over: false, retryMs: firstRetryMs };
    this.#graces.set(id, grace);
    this.#arm(id, grace);
  }

  /** Ends a period early: the worker has reconnected, or the lease has ended. */
  end(id: string): void {
    clearTimeout(this.#graces.get(id)?.timer);
    this.#graces.delete(id);
  }

  /** Changes the length, also of periods that have begun. */
  configure(graceMs: number): void {
    this.#graceMs = graceMs;
    for (const [id, grace] of this.#graces) if (!grace.over) this.#arm(id, grace);
  }

  /** Stops all periods, and waits for leases that are ending. */
  async stop(): Promise<void> {
    for (const { timer } of this.#graces.values()) clearTimeout(timer);
    this.#graces.clear();
    await Promise.all(this.#ending);
  }

  #arm(id: string, grace: Grace): void {
    clearTimeout(grace.timer);
    const leftMs = grace.since + this.#graceMs - performance.now();
    const { process } = grace;
    if (leftMs <= 0 || (process !== null && hasEnded(process))) this.#over(id, grace);
    else {
      const waitMs = process === null ? leftMs : Math.min(leftMs, lookMs);
      grace.timer = setTimeout(() => this.#arm(id, grace), waitMs).unref();
    }
  }

  #over(id: string, grace: Grace): void {
    grace.over = true;
    const ending = this.#options.onOver(id, grace.epoch).then(
      () => {
        if (this.#graces.get(id) === grace) this.#graces.delete(id);
      },
      () => {
        if (this.#graces.get(id) !== grace) return;
        grace.timer = setTimeout(() => this.#over(id, grace), grace.retryMs).unref();
        grace.retryMs = Math.min(2 * grace.retryMs, maxRetryMs);
      },
    );
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }
}
