/** The changes that are under way. When the store closes it begins no more, and waits for these. */
import { SessiondError } from "../../../error.ts";
import type { Log } from "../log/log.ts";

export class ChangesUnderWay {
  readonly #underWay = new Set<Promise<unknown>>();
  #isClosing = false;

  /** @throws SessiondError `shutting_down` */
  run<T>(change: () => Promise<T>): Promise<T> {
    if (this.#isClosing)
      return Promise.reject(new SessiondError("shutting_down", "the store is being closed"));
    const result = change();
    this.#underWay.add(result);
    const ended = () => void this.#underWay.delete(result);
    result.then(ended, ended);
    return result;
  }

  /** Refuses all that come from now on. Resolves when those before have ended. */
  async end(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#underWay);
  }
}

/** The log, whose changes are counted and refused as all others. */
export function guarded(log: Log, changes: ChangesUnderWay): Log {
  return {
    read: (id, use) => log.read(id, use),
    append: (id, make, options) => changes.run(() => log.append(id, make, options)),
    change: (which, needs, make) => changes.run(() => log.change(which, needs, make)),
    create: (session) => changes.run(() => log.create(session)),
    close: () => log.close(),
  };
}
