/** The changes that are under way. When the store closes or fails, no more begin. */
import { SessiondError } from "../../../error.ts";
import type { Log } from "../log/log.ts";

export class ChangesUnderWay {
  readonly #underWay = new Set<Promise<unknown>>();
  #refusal: SessiondError | undefined;

  /** @throws SessiondError `shutting_down`, or what {@link refuse} was given */
  run<T>(change: () => Promise<T>): Promise<T> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    const result = change();
    this.#underWay.add(result);
    const ended = () => void this.#underWay.delete(result);
    result.then(ended, ended);
    return result;
  }

  /** Refuses all that come from now on. */
  refuse(why: SessiondError): void {
    this.#refusal ??= why;
  }

  /** Refuses all that come from now on. Resolves when those before have ended. */
  async end(): Promise<void> {
    this.refuse(new SessiondError("shutting_down", "the store is being closed"));
    await Promise.allSettled(this.#underWay);
  }
}

/**
 * The log for a caller whose changes are not run by {@link ChangesUnderWay.run} before they come to the log.
 */
export function guarded(log: Log, changes: ChangesUnderWay): Log {
  return {
    read: (id, use) => log.read(id, use),
    append: (id, make, options) => changes.run(() => log.append(id, make, options)),
    change: (which, needs, make) => changes.run(() => log.change(which, needs, make)),
    remove: (id, removal) => changes.run(() => log.remove(id, removal)),
    create: (session, check) => changes.run(() => log.create(session, check)),
    close: () => log.close(),
  };
}
