/**
 * What a run needs of its session, in two forms: one that the run has to itself, below, and one that it
 * shares (`shared-session.ts`).
 */
import type { WorkerSession } from "../client/worker/worker-session.ts";
import type { Session } from "../session/session.ts";
import type { Tally } from "./halt.ts";
import { ListedFiles } from "./listed-files.ts";
import type { RunFiles } from "./run-files.ts";

/** What a run needs of its worker, whether it shares its session or not. */
export type RunWorker = Pick<WorkerSession, "report" | "signal" | "resumed" | "isConnected" | "detach">;

/** The part that a run has in a session that it shares. */
export interface Share {
  /** Workers of the session, this one included. */
  readonly workers: number;
  /** Files that this run has finished: they succeeded; they failed. */
  readonly done: number;
  readonly failed: number;
}

export interface SessionListener {
  /** Files may begin that could not, or none will come any more. */
  wake(): void;
  /** The run cannot get files any more. */
  failed(error: unknown): void;
  /** The counts have changed. What all workers have finished since the run began. */
  counted(tally: Tally): void;
}

export interface RunSession {
  readonly id: string;
  readonly worker: RunWorker;
  readonly files: RunFiles;
  /** Why the session has its status; undefined if nobody said so. */
  readonly statusReason: string | undefined;
  /** The number of the first file that this run starts, from 1. */
  readonly firstSeq: number;
  /** Undefined if the run has the session to itself. */
  readonly share: Share | undefined;
  /** Begins to tell. */
  open(listener: SessionListener): void;
  /**
   * Resolves when a command may start: none is left of a run that was killed, and may work on the same file.
   */
  ready(): Promise<void>;
  /** Takes over what is known of the session now. Called before files begin. */
  follow(): void;
  /** Counts anew. Resolves also if that was not possible. */
  count(): Promise<void>;
  /** Counts anew, for what is to be decided by the counts. @throws SessiondError, ConnectionError */
  countForSure(): Promise<void>;
  /** No more files begin: others may have those that this run has not begun. */
  drain(): void;
  /** The run is over: tells no more. */
  close(): void;
}

/** A session that the run has to itself. */
export class OwnSession implements RunSession {
  readonly worker: WorkerSession;
  readonly files: ListedFiles;
  readonly firstSeq: number;
  readonly share = undefined;
  /** The state of the session that `files` follows. */
  #session: Session;

  /** `failedEarlier`: the processed files of the session that failed, and are not run again. */
  constructor(worker: WorkerSession, failedEarlier: Iterable<string>) {
    this.worker = worker;
    this.#session = worker.session;
    this.files = new ListedFiles(worker.session, failedEarlier);
    this.firstSeq = worker.session.processed_files.length + 1;
  }

  get id(): string {
    return this.worker.session.session_id;
  }

  get statusReason(): string | undefined {
    return this.worker.session.status_reason ?? undefined;
  }

  open(): void {}

  async ready(): Promise<void> {}

  /** After a reconnection or a resume, others may have changed the files of the session. */
  follow(): void {
    const { session } = this.worker;
    if (session === this.#session) return;
    this.#session = session;
    this.files.follow(session);
  }

  async count(): Promise<void> {}

  async countForSure(): Promise<void> {}

  drain(): void {}

  close(): void {}
}
