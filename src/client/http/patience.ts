/**
 * Goes on trying to reach a daemon that was there before and is gone, such as one that is killed and started
 * again, or whose storage is away. It does not know what is asked of the daemon.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { isSessiondError } from "../../error.ts";
import { backoffMs } from "./backoff.ts";
import { ConnectionError } from "./connection-error.ts";
import { type Daemon, revived } from "./daemon.ts";

const firstDelayMs = 10;
/** A shorter wait is not worth a word. */
const saidAfterMs = 1000;

export interface PatienceOptions {
  /** How long to go on trying, in milliseconds. */
  readonly ms: number;
  /** Called when a call has waited for a while. */
  readonly away: () => void;
}

export interface PatientCall {
  /** Whether it may be made again if nobody knows whether the daemon has carried it out. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal | undefined;
}

export class Patience {
  readonly #daemon: Daemon;
  readonly #options: PatienceOptions;
  /** A daemon that was never there is not waited for. */
  #wasThere = false;

  constructor(daemon: Daemon, options: PatienceOptions) {
    this.#daemon = daemon;
    this.#options = options;
  }

  /** @throws the last error of the call, if it may not pass or the time is over; the signal's reason */
  async call<Result>(call: () => Promise<Result>, { repeatable, signal }: PatientCall): Promise<Result> {
    const { ms, away } = this.#options;
    const beganMs = performance.now();
    let isSaid = false;
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await call();
        this.#wasThere = true;
        return result;
      } catch (error) {
        if (!(error instanceof ConnectionError) || error.reason === "closed") this.#wasThere = true;
        if (!this.#wasThere || !mayPass(error, { repeatable })) throw error;
        const waitedMs = performance.now() - beganMs;
        const last = await revived(this.#daemon, error);
        if (waitedMs > ms || !mayPass(last, { repeatable })) throw last;
        if (!isSaid && waitedMs > saidAfterMs) away();
        isSaid ||= waitedMs > saidAfterMs;
        await sleep(backoffMs(attempt, firstDelayMs), undefined, { signal });
      }
    }
  }
}

/** Whether the same call may succeed later, and may be made again. */
function mayPass(error: unknown, { repeatable }: Pick<PatientCall, "repeatable">): error is Error {
  if (isSessiondError(error, "shutting_down", "storage_unavailable"))
    return repeatable || error.outcome === "not_applied";
  if (!(error instanceof ConnectionError)) return false;
  const { reason } = error;
  // While a daemon starts, its socket is not yet for everybody.
  const isUnsent = reason === "missing" || reason === "refused" || reason === "not_permitted";
  return isUnsent || (repeatable && reason === "closed");
}
