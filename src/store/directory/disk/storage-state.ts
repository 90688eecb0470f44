/**
 * Whether the store accepts changes, and why not. Remembers a failed sync and a full disk, for refusals and
 * for `health`.
 */
import type { HealthProblem } from "../../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import { storageError, TargetChanged } from "./durable-files.ts";

export class StorageState {
  /**
   * Resolves when the storage has failed. From then on nothing can be trusted but what a new start reads from
   * the disk.
   */
  readonly failed: Promise<Error>;
  readonly #logger: Logger;
  #resolveFailed: (error: Error) => void = () => {};
  #failure: Error | undefined;
  #remedy = "";
  #full: string | undefined;
  #closing = false;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.failed = new Promise((resolve) => {
      this.#resolveFailed = resolve;
    });
  }

  /** Notes that nothing can be acknowledged any more. Only the first failure counts. */
  fail(error: Error, remedy = "check the disk, then restart sessiond"): void {
    if (this.#failure !== undefined) return;
    this.#logger.error({ err: error }, "the storage failed: changes are refused until a restart");
    this.#failure = error;
    this.#remedy = remedy;
    this.#resolveFailed(error);
  }

  /** From now on changes are refused: the store is about to close. */
  refuseChanges(): void {
    this.#closing = true;
  }

  /** @throws SessiondError `shutting_down`, `storage_failed` */
  assertWritable(): void {
    if (this.#closing)
      throw new SessiondError("shutting_down", "sessiond is stopping; try again in a moment");
    if (this.#failure !== undefined) {
      const message =
        "the storage failed earlier, so changes are refused until sessiond restarts: " +
        this.#failure.message;
      throw new SessiondError("storage_failed", message);
    }
  }

  /** Runs a change. A full disk is remembered until a change finds room. */
  runChange<T>(task: () => Promise<T>): Promise<T> {
    return this.track(withStorageErrors(task));
  }

  /** Follows a change that is under way, and whose errors are those of the contract. */
  track<T>(change: Promise<T>): Promise<T> {
    return change.then(
      (result) => {
        this.recordOutcome();
        return result;
      },
      (error: unknown) => {
        this.recordOutcome(error);
        throw error;
      },
    );
  }

  /** Notes that a change was made, or with what error it failed. */
  recordOutcome(error?: unknown): void {
    if (error === undefined) this.#full = undefined;
    else if (isSessiondError(error, "storage_full")) this.#full = error.message;
  }

  problems(): HealthProblem[] {
    const problems: HealthProblem[] = [];
    if (this.#failure !== undefined) {
      const hint = `${this.#remedy}: everything that was acknowledged is recovered`;
      problems.push({ code: "storage_failed", message: this.#failure.message, hint, session_id: null });
    }
    if (this.#full !== undefined) {
      const hint = "free some space: reads still work, and changes work again as soon as there is space";
      problems.push({ code: "storage_full", message: this.#full, hint, session_id: null });
    }
    return problems;
  }
}

/** Runs a task, and translates errors of the file system into those of the contract. */
export async function withStorageErrors<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof TargetChanged) {
      const message =
        "another program removed or replaced a file during this change; look at the session, then try again";
      throw new SessiondError("storage_failed", message, { cause: error });
    }
    throw storageError(error);
  }
}
