/** The public class of a worker that has a session for itself. */
import type { Session, Status } from "../../session/session.ts";
import { forEach } from "./for-each.ts";
import type { ForEachOptions, ForEachSummary, Work } from "./for-each-options.ts";
import type { RefreshOptions } from "./refresh.ts";
import { WholeSession } from "./whole-session.ts";
import { Worker } from "./worker.ts";
import type { LinkOptions } from "./worker-link.ts";

/**
 * The worker of a session, created by {@link SessionClient.attach}. It reconnects after a lost connection and
 * sends all unacknowledged reports again; meanwhile work can go on. It ends with {@link
 * WorkerSession.detach}, or when its lease or its session is lost.
 *
 * @example
 * await using worker = await client.attach(id);
 * const { stopped } = await worker.forEach((file) => analyze(file), { concurrency: 8 });
 * if (stopped === null) await client.completeSession(id);
 */
export class WorkerSession extends Worker {
  readonly #whole: WholeSession;

  private constructor(whole: WholeSession) {
    super(whole.link);
    this.#whole = whole;
  }

  /** For internal use. Call {@link SessionClient.attach} instead. */
  static async attach(
    id: string,
    options: LinkOptions & RefreshOptions,
    signal?: AbortSignal,
  ): Promise<WorkerSession> {
    const whole = new WholeSession(id, options);
    await whole.link.attach(signal);
    return new WorkerSession(whole);
  }

  /**
   * The session as it was when the worker connected or the session was resumed, together with all
   * acknowledged reports since. It changes when acknowledgements and status changes arrive. After a
   * reconnection and after a resume it is another object.
   */
  get session(): Session {
    return this.#whole.session;
  }

  /**
   * The present status of the session. After a resume it is `running` as soon as `session` was read again.
   */
  override get status(): Status | "deleted" {
    return super.status;
  }

  /**
   * Resolves when the session is running: at once unless it is paused. `signal` is then one that is not
   * aborted, and `session` has the files as they are then: others may have added, processed or requeued some
   * during the pause.
   *
   * @throws WorkerStopped if the session is completed, failed or deleted, or the lease has ended; the error
   * that ended the connection; the reason of the given signal
   * @example
   * while (worker.session.pending_files.length > 0) {
   *   await worker.resumed();
   *   for (const file of worker.session.pending_files) {
   *     if (worker.signal.aborted) break;
   *     await worker.report({ processed: [file], results: { [file]: await analyze(file) } });
   *   }
   * }
   */
  override resumed(signal?: AbortSignal): Promise<void> {
    return super.resumed(signal);
  }

  /**
   * Calls `work` for each pending file and reports the file with the returned value as its result. Ends early
   * if the session is paused (unless `onPause` is `hold`), completed, failed or deleted, if the lease is
   * lost, or if the given signal is aborted. Work that has begun may then still finish and is reported.
   * Resolves when all reports are durable.
   *
   * @throws the error of the work on a file, unless `onError` handles it; the error of a report; a
   * ConnectionError if the daemon could not be reached again in time; `invalid_request` if another `forEach`
   * is running
   */
  forEach(work: Work, options: ForEachOptions = {}): Promise<ForEachSummary> {
    const whole = this.#whole;
    return forEach(
      whole.link,
      () => whole.loopFiles(),
      (file, signal, add) => work(file, { session: whole.session, signal, add }),
      options,
    );
  }
}
