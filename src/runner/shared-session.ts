/**
 * A session that a run shares with other workers: its claims, and looks at the counts of the whole session.
 */
import type { SessionClient } from "../client/session-client.ts";
import { ClaimsAhead } from "../client/worker/claims-ahead.ts";
import type { SharedWorkerSession } from "../client/worker/shared-worker-session.ts";
import { leftProcesses } from "./mark.ts";
import { endAll } from "./processes.ts";
import type { RunSession, SessionListener, Share } from "./run-session.ts";
import { type Look, SessionCounts } from "./session-counts.ts";
import { SharedFiles } from "./shared-files.ts";

const lookMs = 1000;
/**
 * A look at a large session takes longer. The looks of all workers take no more than this share of the time.
 */
const lookShare = 0.05;

export interface SharedSessionOptions {
  readonly client: SessionClient;
  readonly worker: SharedWorkerSession;
  readonly first: SessionLook;
  /** The mark that the commands of all runs have in common. */
  readonly mark: string;
  /** Whether what becomes of a file is to be counted at once, for --halt. */
  readonly countsAtOnce: boolean;
}

/** A look, and the state of the session that it has seen. */
export interface SessionLook extends Look {
  readonly revision: number;
}

/**
 * Looks at the session. If nothing has changed since the last look, the failed files are not counted again.
 */
export async function lookAt(client: SessionClient, id: string, last?: SessionLook): Promise<SessionLook> {
  const { revision, processed_count, pending_count, workers } = await client.getSummary(id);
  const isKnown = last?.revision === revision;
  const failed = isKnown ? last.failed : (await client.listFiles(id, { state: "failed", limit: 1 })).total;
  return {
    revision,
    processed: processed_count,
    pending: pending_count,
    failed: Math.min(failed, processed_count),
    workers: workers.length,
  };
}

export class SharedSession implements RunSession {
  readonly worker: SharedWorkerSession;
  readonly files: SharedFiles;
  readonly firstSeq: number;
  readonly #client: SessionClient;
  readonly #claimed: ClaimsAhead;
  readonly #counts: SessionCounts;
  readonly #mark: string;
  /** Workers of the session, as of the last claim. */
  #workers = 0;
  #clearing: Promise<unknown> = Promise.resolve();
  #listener: SessionListener | undefined;
  #last: SessionLook;
  /** The look that is under way, and the one that follows. */
  #looking: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ client, worker, first, mark, countsAtOnce }: SharedSessionOptions) {
    this.#client = client;
    this.#mark = mark;
    this.worker = worker;
    this.firstSeq = first.processed + 1;
    this.#last = first;
    this.#counts = new SessionCounts(first);
    const wake = () => this.#listener?.wake();
    const claimed = () => {
      this.#counts.told(worker.left, worker.workers);
      wake();
    };
    this.#claimed = new ClaimsAhead(worker, {
      wake: claimed,
      failed: (error) => this.#listener?.failed(error),
    });
    this.files = new SharedFiles(this.#claimed, this.#counts, {
      wake,
      ended: () => {
        if (countsAtOnce) void this.count();
      },
    });
  }

  get id(): string {
    return this.worker.summary.session_id;
  }

  get statusReason(): string | undefined {
    return this.worker.summary.status_reason ?? undefined;
  }

  get share(): Share {
    return { workers: this.#counts.workers, ...this.#counts.own };
  }

  open(listener: SessionListener): void {
    this.#listener = listener;
    this.#timer = setTimeout(() => void this.count(), lookMs);
  }

  /**
   * Of a run that was killed with its guard, commands may be left. Its files come here when its lease ends.
   */
  ready(): Promise<void> {
    const { workers } = this.worker;
    if (workers < this.#workers) {
      this.#clearing = endAll(() => leftProcesses(this.#mark, { ofEnded: true }));
    }
    this.#workers = workers;
    return this.#clearing.then(() => {});
  }

  follow(): void {}

  count(): Promise<void> {
    // A look that is under way may have missed what is to be counted.
    this.#next ??= (this.#looking ?? Promise.resolve()).then(() => {
      this.#next = undefined;
      this.#looking = this.#look();
      return this.#looking;
    });
    return this.#next;
  }

  async countForSure(): Promise<void> {
    await this.#looking;
    await this.#lookNow();
  }

  async #lookNow(): Promise<void> {
    const { own } = this.#counts;
    this.#last = await lookAt(this.#client, this.id, this.#last);
    this.#counts.looked(this.#last, own);
    this.#listener?.counted(this.#counts.tally);
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    const began = performance.now();
    try {
      // Without a connection it would only wait for the daemon, as the worker does.
      if (this.worker.isConnected) await this.#lookNow();
    } catch {
      // The connection is lost, or the session: the worker says so.
    }
    this.#looking = undefined;
    if (this.#listener === undefined) return;
    const waitMs = Math.max(lookMs, ((performance.now() - began) * this.#last.workers) / lookShare);
    this.#timer = setTimeout(() => void this.count(), waitMs);
  }

  drain(): void {
    this.files.close();
    this.#claimed.end();
  }

  close(): void {
    this.drain();
    this.#listener = undefined;
    clearTimeout(this.#timer);
  }
}
