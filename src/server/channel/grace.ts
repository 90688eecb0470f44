/** Leases whose worker is gone: each may be taken up again for a while, and then ends. */
import { type Clock, formatTimestamp, microsPerMs } from "../../time/clock.ts";

/** How long after a failure to end a lease, such as on a full disk, it is tried again; twice as long after each. */
const firstRetryMs = 1000;
const maxRetryMs = 60_000;

interface Grace {
  epoch: number;
  generation: string | null;
  /** Of performance.now(). */
  since: number;
  timer: NodeJS.Timeout | undefined;
  /** It is over, and being ended: nobody can come back any more. */
  over: boolean;
  retryMs: number;
}

export interface GracesOptions {
  graceMs: number;
  clock: Clock;
  /** Ends a lease. If it rejects, it is tried again. */
  onOver: (id: string, epoch: number, generation: string | null) => Promise<void>;
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

  /** Until when the worker of a session may come back, as ISO 8601. */
  until({ since }: Readonly<Grace>): string {
    const leftMs = Math.max(0, since + this.#graceMs - performance.now());
    return formatTimestamp(this.#options.clock.now() + Math.round(leftMs) * microsPerMs);
  }

  begin(id: string, epoch: number, generation: string | null): void {
    this.end(id);
    const since = performance.now();
    const grace = { epoch, generation, since, timer: undefined, over: false, retryMs: firstRetryMs };
    this.#graces.set(id, grace);
    this.#arm(id, grace);
  }

  /** The worker came back, or the lease is gone. */
  end(id: string): void {
    clearTimeout(this.#graces.get(id)?.timer);
    this.#graces.delete(id);
  }

  /** Another length counts for graces that have begun, too. */
  configure(graceMs: number): void {
    this.#graceMs = graceMs;
    for (const [id, grace] of this.#graces) if (!grace.over) this.#arm(id, grace);
  }

  /** Lets no lease end any more, and waits for those that are ending. */
  async stop(): Promise<void> {
    for (const { timer } of this.#graces.values()) clearTimeout(timer);
    this.#graces.clear();
    await Promise.all(this.#ending);
  }

  #arm(id: string, grace: Grace): void {
    clearTimeout(grace.timer);
    const leftMs = grace.since + this.#graceMs - performance.now();
    grace.timer = setTimeout(() => this.#over(id, grace), Math.max(0, leftMs)).unref();
  }

  #over(id: string, grace: Grace): void {
    grace.over = true;
    const ending = this.#options.onOver(id, grace.epoch, grace.generation).then(
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
