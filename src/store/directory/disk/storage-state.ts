/** Whether changes are accepted, and what the storage last said about that. */
import type { HealthProblem } from "../../../contract/replies.ts";
import { isSessiondError, SessiondError } from "../../../error.ts";
import type { Logger } from "../../../log.ts";
import { storageError, TargetChanged } from "./durable-files.ts";

export class StorageState {
  /** Resolves when a sync has failed, after which nothing can be believed but what is read again at a new start. */
  readonly failed: Promise<Error>;
  readonly #logger: Logger;
  #resolveFailed: (error: Error) => void = () => {};
  #failure: Error | undefined;
  #full: string | undefined;
  #closing = false;

  constructor(logger: Logger) {
    this.#logger = logger;
    this.failed = new Promise((resolve) => {
      this.#resolveFailed = resolve;
    });
  }

  fail(error: Error): void {
    this.#logger.error({ err: error }, "storage failed: no more changes are accepted");
    this.#failure ??= error;
    this.#resolveFailed(error);
  }

  refuseChanges(): void {
    this.#closing = true;
  }

  /** @throws SessiondError `shutting_down`, `storage_failed` */
  assertWritable(): void {
    if (this.#closing)
      throw new SessiondError("shutting_down", "sessiond is stopping; try again in a moment");
    if (this.#failure !== undefined) {
      const message = `storage failed earlier, so nothing more is accepted: ${this.#failure.message}`;
      throw new SessiondError("storage_failed", message);
    }
  }

  /** Runs a change. A full disk is remembered until a change finds room. */
  runChange<T>(task: () => Promise<T>): Promise<T> {
    return this.track(withStorageErrors(task));
  }

  /** A change that is under way, whose errors are in the words of the contract. */
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

  /** A change was made, or refused with an error. */
  recordOutcome(error?: unknown): void {
    if (error === undefined) this.#full = undefined;
    else if (isSessiondError(error, "storage_full")) this.#full = error.message;
  }

  problems(): HealthProblem[] {
    const problems: HealthProblem[] = [];
    if (this.#failure !== undefined) {
      const hint = "check the disk, then restart sessiond: it recovers what was acknowledged";
      problems.push({ code: "storage_failed", message: this.#failure.message, hint, session_id: null });
    }
    if (this.#full !== undefined) {
      const hint = "free some space; reading goes on, and writing again as soon as there is room";
      problems.push({ code: "storage_full", message: this.#full, hint, session_id: null });
    }
    return problems;
  }
}

/** Runs a task; a failure of the file system is told in the words of the contract. */
export async function withStorageErrors<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof TargetChanged) {
      const message = "a file was taken away in the middle of this; look at what is there, and try again";
      throw new SessiondError("storage_failed", message, { cause: error });
    }
    throw storageError(error);
  }
}
