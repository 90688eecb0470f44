/**
 * The grace periods of lost workers. When a period is over without a reconnection, the lease ends. A worker
 * whose process has ended will not reconnect: its period is over at once. While storage is away no worker can
 * reconnect, so no period ends: each begins anew when storage is back.
 */
import { hasEnded } from "../../host/process-identity.ts";
import type { Availability, Lease } from "../../store/session-store.ts";
import { type Clock, formatTimestamp, microsPerMs } from "../../time/clock.ts";
import { isAway } from "./held-calls.ts";

/**
 * The delay before ending a lease is tried again after a failure, such as a full disk. It doubles each time.
 */
const firstRetryMs = 1000;
const maxRetryMs = 60_000;

/** Between two looks whether the process of a worker has ended. Its connection may end a little earlier. */
const lookMs = 100;

interface Grace {
  /** Of the session. */
  id: string;
  epoch: number;
  process: string | null;
  /** The start of the period, by performance.now(). */
  since: number;
  /** Whether the host of the worker was lost: then there is no period. */
  orphaned: boolean;
  timer: NodeJS.Timeout | undefined;
  /** Whether the period is over. Then the worker can no longer reconnect. */
  over: boolean;
  /** Whether the lease is being ended now. */
  isEnding: boolean;
  retryMs: number;
}

type GraceLease = Pick<Lease, "session_id" | "epoch" | "process">;

export interface GracesOptions {
  graceMs: number;
  clock: Clock;
  availability: Availability;
  /** Ends a lease. Called again later if it rejects. */
  onOver: (id: string, epoch: number, orphaned: boolean) => Promise<void>;
}

export class Graces {
  readonly #options: GracesOptions;
  /** By epoch. */
  readonly #graces = new Map<number, Grace>();
  readonly #ending = new Set<Promise<void>>();
  readonly #unsubscribe: () => void;
  #graceMs: number;

  constructor(options: GracesOptions) {
    this.#options = options;
    this.#graceMs = options.graceMs;
    this.#unsubscribe = options.availability.onBack(() => {
      for (const grace of this.#graces.values()) if (!grace.isEnding) this.#beginAnew(grace);
    });
  }

  get(epoch: number): Readonly<Grace> | undefined {
    return this.#graces.get(epoch);
  }

  /** The time until which the worker may reconnect, as ISO 8601. */
  until({ since }: Readonly<Grace>): string {
    const leftMs = Math.max(0, since + this.#graceMs - performance.now());
    return formatTimestamp(this.#options.clock.now() + Math.round(leftMs) * microsPerMs);
  }

  begin(lease: GraceLease): void {
    this.#begin(lease, performance.now(), false);
  }

  /** Ends the lease of a lost host: its worker has no time left. */
  endOrphaned(lease: GraceLease): void {
    this.#begin(lease, Number.NEGATIVE_INFINITY, true);
  }

  /** Ends a period early: the lease has ended. */
  end(epoch: number): void {
    clearTimeout(this.#graces.get(epoch)?.timer);
    this.#graces.delete(epoch);
  }

  /** Ends the periods of a session's leases but for these: their workers have reconnected. */
  keepOnly(id: string, epochs: ReadonlySet<number>): void {
    for (const grace of this.#graces.values()) {
      if (grace.id === id && !epochs.has(grace.epoch)) this.end(grace.epoch);
    }
  }

  /** Whether a lease of the session is in its period. */
  isAnyOf(id: string): boolean {
    for (const grace of this.#graces.values()) if (grace.id === id) return true;
    return false;
  }

  /** Changes the length, also of periods that have begun. */
  configure(graceMs: number): void {
    this.#graceMs = graceMs;
    for (const grace of this.#graces.values()) if (!grace.over) this.#arm(grace);
  }

  /** Stops all periods, and waits for leases that are ending. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    for (const { timer } of this.#graces.values()) clearTimeout(timer);
    this.#graces.clear();
    await Promise.all(this.#ending);
  }

  #begin({ session_id: id, epoch, process }: GraceLease, since: number, orphaned: boolean): void {
    this.end(epoch);
    const begun = { timer: undefined, over: false, isEnding: false, retryMs: firstRetryMs };
    const grace = { id, epoch, process, since, orphaned, ...begun };
    this.#graces.set(epoch, grace);
    this.#arm(grace);
  }

  /** As if the worker had been lost now, unless it is certain that it does not come back. */
  #beginAnew(grace: Grace): void {
    if (!grace.orphaned) grace.since = performance.now();
    grace.over = false;
    grace.retryMs = firstRetryMs;
    this.#arm(grace);
  }

  #arm(grace: Grace): void {
    clearTimeout(grace.timer);
    if (this.#options.availability.isAway) return;
    const leftMs = grace.since + this.#graceMs - performance.now();
    const { process } = grace;
    if (leftMs <= 0 || (process !== null && hasEnded(process))) this.#over(grace);
    else {
      const waitMs = process === null ? leftMs : Math.min(leftMs, lookMs);
      grace.timer = setTimeout(() => this.#arm(grace), waitMs).unref();
    }
  }

  #over(grace: Grace): void {
    grace.over = true;
    grace.isEnding = true;
    const { id, epoch, orphaned } = grace;
    const ending = this.#options.onOver(id, epoch, orphaned).then(
      () => {
        if (this.#graces.get(epoch) === grace) this.#graces.delete(epoch);
      },
      (error: unknown) => {
        grace.isEnding = false;
        if (this.#graces.get(epoch) !== grace) return;
        if (isAway(error)) {
          this.#beginAnew(grace);
          return;
        }
        grace.timer = setTimeout(() => this.#over(grace), grace.retryMs).unref();
        grace.retryMs = Math.min(2 * grace.retryMs, maxRetryMs);
      },
    );
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
  }
}
