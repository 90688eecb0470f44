/** The public class of a worker that shares a session with others. */
import { maxClaim } from "../../contract/channel.ts";
import { SessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { Claimed } from "./claims.ts";
import { forEach } from "./for-each.ts";
import type { ForEachOptions, ForEachSummary, SharedWork } from "./for-each-options.ts";
import { SharedPart } from "./shared-part.ts";
import { Worker } from "./worker.ts";
import type { LinkOptions } from "./worker-link.ts";

export interface ClaimOptions {
  /** Ends the wait. Files that the daemon hands out for this claim later are given back. */
  signal?: AbortSignal | undefined;
}

/**
 * One of the workers that share a session, created by {@link SessionClient.attach} with `shared: true`. It
 * works on the files that it has *claimed*: nobody else can claim or report them, until they are processed or
 * released or the lease ends. It reconnects as every worker does, and keeps its claims.
 *
 * @example
 * await using worker = await client.attach(id, { shared: true });
 * const { stopped } = await worker.forEach((file) => analyze(file), { concurrency: 8 });
 * if (stopped === null) await client.completeSession(id);
 */
export class SharedWorkerSession extends Worker {
  readonly #part: SharedPart;

  private constructor(part: SharedPart) {
    super(part.link);
    this.#part = part;
  }

  /** For internal use. Call {@link SessionClient.attach} instead. */
  static async attach(id: string, options: LinkOptions, signal?: AbortSignal): Promise<SharedWorkerSession> {
    const part = new SharedPart(id, options);
    await part.link.attach(signal);
    return new SharedWorkerSession(part);
  }

  /**
   * The summary of the session as it was when the worker connected. Its `status`, `status_reason` and
   * `revision` are kept up to date; its counts are not. After a reconnection it is another object. A shared
   * worker is sent neither the files nor the results of the session; `SessionClient.getSession` has them.
   */
  get summary(): SessionSummary {
    return this.#part.summary;
  }

  /**
   * The files that this worker has claimed, and neither reported nor released, in the order of the claims.
   */
  get claimed(): readonly string[] {
    return this.#part.requests.held;
  }

  /** How many files are pending, whoever holds them, as of the last connection or claim. */
  get left(): number {
    return this.#part.left;
  }

  /** How many shared workers the session has, as of the last claim; 1 before. */
  get workers(): number {
    return this.#part.workers;
  }

  /**
   * Claims up to `count` files (1 to 10,000), in the order of the session. Resolves as soon as one is free;
   * with no file when none is pending any more, or the session was completed, failed or deleted. Waits
   * meanwhile, also while the session is paused. The claims of a worker are answered one after another.
   *
   * @throws SessiondError `invalid_request`, `storage_full` …; `lease_lost`, also after somebody has evicted
   * this worker; a ConnectionError; the reason of the given signal
   * @example
   * for (;;) {
   *   const { files } = await worker.claim(1);
   *   if (files.length === 0) break;
   *   const [file] = files;
   *   await worker.report({ processed: [file], results: { [file]: await analyze(file) } });
   * }
   */
  async claim(count: number, options: ClaimOptions = {}): Promise<Claimed> {
    if (!Number.isSafeInteger(count) || count < 1 || count > maxClaim) {
      throw new SessiondError(
        "invalid_request",
        `the number of files to claim must be a whole number from 1 to ${maxClaim}, not ${count}`,
      );
    }
    return this.#part.claim(count, options);
  }

  /**
   * Gives claimed files back: they stay pending, and others can claim them. Resolves when that is durable.
   *
   * @throws SessiondError `not_claimed` if the worker has not claimed one of them: then none is given back
   */
  async release(files: readonly string[]): Promise<void> {
    if (files.length > 0) await this.#part.release(files);
  }

  /**
   * Calls `work` for each file that this worker can claim, and reports the file with the returned value as
   * its result. Claims about a second's worth of work ahead, and never more than its fair part. Ends when no
   * file of the session is pending; until then it waits for files that others release or add. Ends early as
   * {@link WorkerSession.forEach} does. Whatever it has claimed and not reported is then given back.
   *
   * A file that `onError` leaves pending is offered to the other workers once this loop has nothing else to
   * do. If nothing but such files comes back, the loop ends.
   *
   * @throws what {@link WorkerSession.forEach} throws; the error of a claim
   */
  forEach(work: SharedWork, options: ForEachOptions = {}): Promise<ForEachSummary> {
    const part = this.#part;
    return forEach(
      part.link,
      () => part.loopFiles(),
      (file, signal, add) => work(file, { summary: part.summary, signal, add }),
      options,
    );
  }
}
