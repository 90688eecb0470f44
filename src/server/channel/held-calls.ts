/**
 * Calls of one worker to a store whose storage may go away: they are held, and made again in their order when
 * it is back. The worker waits meanwhile. It does not know what the calls do.
 */
import { isSessiondError, SessiondError } from "../../error.ts";
import type { Availability } from "../../store/session-store.ts";

interface Held {
  /** The place of the call among all calls. */
  readonly at: number;
  /** Makes the call again. */
  again(): void;
  reject(error: SessiondError): void;
}

export class HeldCalls {
  readonly #availability: Availability;
  readonly #ended = new AbortController();
  /** Empty while storage is there. */
  #held: Held[] = [];
  #count = 0;

  constructor(availability: Availability) {
    this.#availability = availability;
  }

  /**
   * Makes a call, which may be made twice: it must be one that changes nothing the second time. While others
   * are held it is held as well. Its outcome goes to callbacks, because each report would pay for a promise.
   *
   * @param reject called with what the call throws, but not with `storage_unavailable`; with `shutting_down`
   *   after {@link end}
   */
  make<T>(call: () => Promise<T>, resolve: (value: T) => void, reject: (error: unknown) => void): void {
    const at = this.#count++;
    const again = () =>
      void call().then(resolve, (error: unknown) => {
        if (isAway(error) && !this.#ended.signal.aborted) this.#hold({ at, again, reject });
        else reject(isAway(error) ? endedError() : error);
      });
    if (this.#held.length > 0) this.#hold({ at, again, reject });
    else again();
  }

  /** Makes no held call any more: the worker asks again when it is connected again. */
  end(): void {
    this.#ended.abort();
    for (const { reject } of this.#held.splice(0)) reject(endedError());
  }

  #hold(held: Held): void {
    this.#held.push(held);
    if (this.#held.length > 1) return;
    this.#availability.back(this.#ended.signal).then(
      () => {
        const calls = this.#held.sort((a, b) => a.at - b.at);
        this.#held = [];
        for (const one of calls) one.again();
      },
      () => {},
    );
  }
}

/**
 * Makes a call when storage is there to answer it, and again while it is refused because storage is away.
 *
 * @throws what the call throws; `storage_unavailable` only if nobody knows whether the call was carried out
 */
export async function onceThere<T>(availability: Availability, call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isAway(error) || error.outcome === "unknown") throw error;
      await availability.back();
    }
  }
}

/** A release that may be made again: files that were given back before the reply was lost are no error. */
export function givenBackOnce(release: () => Promise<void>): () => Promise<void> {
  let isUnknown = false;
  return () =>
    release().catch((error: unknown) => {
      if (isUnknown && isSessiondError(error, "not_claimed")) return;
      isUnknown ||= isAway(error) && error.outcome === "unknown";
      throw error;
    });
}

export function isAway(error: unknown): error is SessiondError {
  return isSessiondError(error, "storage_unavailable");
}

function endedError(): SessiondError {
  return new SessiondError("shutting_down", "storage is away, and the connection has ended");
}
