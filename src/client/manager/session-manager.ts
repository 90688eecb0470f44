/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The simple way in: sessions with or without a daemon, and `null` or `false` in place of most errors.
 *
 * The room client/manager/ owns the SessionManager: the simple way to use sessions, over a daemon or over a
 * directory of its own. It is the one place in the client that opens a store.
 */
import { resolve } from "node:path";
import type {
  ListedSession,
  ProgressReply,
  Recovery,
  SessionSummaryAndHealth,
  Stats,
  Validation,
} from "../../contract/replies.ts";
import type { CreateSessionBody } from "../../contract/routes.ts";
import { defaultSessionsDir } from "../../contract/socket-path.ts";
import { type ErrorCode, isSessiondError, SessiondError } from "../../error.ts";
import type { JsonObject } from "../../json/exact-json.ts";
import type { ProgressDelta } from "../../session/command.ts";
import type { Session, SessionConfig, SessionSummary, Status } from "../../session/session.ts";
import type { Verb } from "../../session/transition.ts";
import type { AttachOptions, SessionClientOptions } from "../options.ts";
import type { SharedWorkerSession } from "../worker/shared-worker-session.ts";
import type { WorkerSession } from "../worker/worker-session.ts";
import {
  ageOf,
  approvalOf,
  checkCount,
  checkDelta,
  checkDirectory,
  checkId,
  checkReason,
  checkSaved,
  checkStatus,
} from "./arguments.ts";
import type { Backend, CleanupRule } from "./backend.ts";
import { connectedBackend } from "./connected.ts";
import { EmbeddedBackend } from "./embedded.ts";

export interface EmbeddedOptions {
  /** The directory of the session files, created if needed. Default: `.sessions` in the working directory. */
  sessionsDir?: string | undefined;
  /** The directory for backups. Default: `backups` in the sessions directory. */
  backupDir?: string | undefined;
}

export interface ConnectOptions extends SessionClientOptions {
  /** The directory for backups, one that the daemon allows. Default: the daemon's own. */
  backupDir?: string | undefined;
}

export interface CleanupCallOptions {
  /**
   * The id of the plan that an `approval_required` error named: its sessions are removed although the system
   * clock was set.
   */
  approve?: string | undefined;
}

/** Everything about a new session except for its configuration. */
export type NewSessionOptions = Omit<CreateSessionBody, "config">;

/** The codes for a session that does not exist or cannot be read. */
const absent = ["session_not_found", "session_deleted", "session_corrupt"] as const;
const absentOrRefused = [...absent, "invalid_transition"] as const;

/**
 * Creates, pauses, resumes and cleans up analysis sessions, either in a directory of this process (embedded)
 * or in a running daemon, with the same methods and results.
 *
 * For a session that is missing, deleted or unreadable, methods that return data return `null`, and all
 * others return `false`. The same applies if the session's status does not allow a change, such as pausing a
 * session that is not running. Every other failure throws an error with a `code`: a {@link SessiondError}, or
 * a {@link ConnectionError} if the daemon cannot be reached.
 *
 * @example
 * const manager = new SessionManager({ sessionsDir: ".sessions" });
 * const session = await manager.createSession("src", { pending_files: ["a.ts", "b.ts"] });
 * await manager.reportProgress(session.session_id, { processed: ["a.ts"], results: { "a.ts": "fine" } });
 * await manager.pauseSession(session.session_id);
 * // … another day, in another process
 * const resumed = await manager.resumeSession(session.session_id);
 * for (const file of resumed?.pending_files ?? []) console.log("still to do:", file);
 */
export class SessionManager {
  readonly #backend: Backend;
  readonly #backupDir: string | undefined;

  /**
   * The first call opens the directory or the connection. While a manager has a directory open, no daemon and
   * no other manager can open it: their calls throw `directory_locked`. An open manager does not keep the
   * process running.
   */
  constructor(options: EmbeddedOptions | (ConnectOptions & { socketPath: string }) = {}) {
    this.#backupDir = options.backupDir === undefined ? undefined : resolve(options.backupDir);
    this.#backend =
      "socketPath" in options
        ? connectedBackend(options)
        : new EmbeddedBackend(resolve((options as EmbeddedOptions).sessionsDir ?? defaultSessionsDir));
  }

  /**
   * Creates a manager for the sessions of a daemon. Without a path it finds the daemon as `sessionctl` does,
   * and starts that of a store.
   *
   * @example
   * const manager = SessionManager.connect({ socketPath: "/run/sessiond/sessiond.sock" });
   */
  static connect(options: ConnectOptions = {}): SessionManager {
    // The key decides that it is connected. Without a path, the client finds the daemon.
    return new SessionManager({ ...options, socketPath: options.socketPath as string });
  }

  /**
   * Creates a running session.
   *
   * @param config what to analyze and how; a string stands for `{ target_path: string }`
   * @throws `session_exists`, `invalid_request`, `invalid_session_id`
   */
  async createSession(config: SessionConfig | string, options: NewSessionOptions = {}): Promise<Session> {
    return this.#backend.create({
      ...options,
      config: typeof config === "string" ? { target_path: config } : config,
    });
  }

  /**
   * Replaces the whole document of a session, or creates it. Everything except for the revision is stored as
   * given.
   */
  async saveSession(session: Session): Promise<SessionSummary> {
    checkSaved(session);
    return this.#backend.save(session);
  }

  /** Returns the whole session. */
  async loadSession(id: string): Promise<Session | null> {
    checkId(id);
    return unless(absent, this.#backend.load(id), null);
  }

  /** Whether the session exists and can be read. */
  async sessionExists(id: string): Promise<boolean> {
    checkId(id);
    return unless(absent, this.#backend.exists(id), false);
  }

  /** Replaces both file lists and merges the results by key. Durable when it resolves. */
  async checkpoint(
    id: string,
    processedFiles: readonly string[],
    pendingFiles: readonly string[],
    partialResults?: JsonObject,
  ): Promise<boolean> {
    checkId(id);
    return done(
      absent,
      this.#backend.checkpoint(id, {
        processed_files: processedFiles,
        pending_files: pendingFiles,
        ...(partialResults === undefined ? {} : { partial_results: partialResults }),
      }),
    );
  }

  /**
   * Reports progress: moves files from pending to processed, merges results by key, and adds newly found
   * files. Durable when it resolves. Costs what the report contains, however large the session is. The same
   * report twice does no harm.
   */
  async reportProgress(id: string, delta: ProgressDelta): Promise<ProgressReply | null> {
    checkId(id);
    checkDelta(delta);
    return unless(absent, this.#backend.progress(id, delta), null);
  }

  /**
   * Makes this process one of the workers of a session, each of which works on the files that it claims. Only
   * for sessions of a daemon.
   *
   * @throws `lease_held` if the session has a worker that does not share it; `invalid_request` if this
   * manager is embedded
   */
  attach(id: string, options: AttachOptions & { shared: true }): Promise<SharedWorkerSession | null>;
  /**
   * Makes this process the worker of a session, and keeps it connected. Only for sessions of a daemon.
   *
   * @throws `lease_held` if the session has a worker; `invalid_request` if this manager is embedded
   */
  attach(id: string, options?: AttachOptions & { shared?: false | undefined }): Promise<WorkerSession | null>;
  async attach(id: string, options: AttachOptions = {}): Promise<WorkerSession | SharedWorkerSession | null> {
    checkId(id);
    return unless(absent, this.#backend.attach(id, options), null);
  }

  /** Pauses a running session. */
  async pauseSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "pause", reason);
  }

  /** Resumes a paused session and returns it as a whole. */
  async resumeSession(id: string): Promise<Session | null> {
    checkId(id);
    return unless(absentOrRefused, this.#backend.resume(id), null);
  }

  /** Marks a session of any status as completed. */
  async completeSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "complete", reason);
  }

  /** Marks a session of any status as failed. */
  async failSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "fail", reason);
  }

  /**
   * Makes the change that leads to this status, if it is allowed. True also if the session has the status
   * already.
   */
  async updateSessionStatus(id: string, status: Status, reason?: string): Promise<boolean> {
    checkId(id);
    checkStatus(status);
    checkReason(reason);
    return done(absentOrRefused, this.#backend.setStatus(id, status, reason));
  }

  /** Moves a session to the trash, from which it can be restored until it is deleted there. */
  async deleteSession(id: string): Promise<boolean> {
    checkId(id);
    return done(absent, this.#backend.remove(id));
  }

  /**
   * Returns the summaries of all sessions, or of those with this status, newest checkpoint first. Each
   * names the worker of its session, which is null without a daemon.
   *
   * @throws `invalid_request` for a status that is none of the four
   */
  async listSessions(status?: Status): Promise<ListedSession[]> {
    if (status !== undefined) checkStatus(status);
    const sessions: ListedSession[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.#backend.list({
        status: status === undefined ? undefined : [status],
        limit: 1000,
        cursor,
      });
      sessions.push(...page.sessions);
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
    return sessions;
  }

  /** Counts all sessions, or those with this status. @throws `invalid_request` for any other status */
  async getSessionCount(status?: Status): Promise<number> {
    if (status !== undefined) checkStatus(status);
    const stats: Stats = await this.#backend.stats();
    return stats[status ?? "total"];
  }

  /**
   * Removes completed sessions except for the `keepRecent` most recent ones. Returns how many were removed.
   *
   * @throws `invalid_request` unless `keepRecent` is a whole number, 0 or more; `approval_required`, with the
   * id of a plan, if the system clock was set by more than an hour
   */
  async cleanupCompletedSessions(keepRecent = 10, options: CleanupCallOptions = {}): Promise<number> {
    checkCount(keepRecent);
    return this.#cleanup({ policy: "completed", keepRecent, approve: approvalOf(options) });
  }

  /**
   * Removes sessions of any status without activity for `maxAgeDays` days, which may be a fraction. Returns
   * how many were removed.
   *
   * @throws `invalid_request` unless `maxAgeDays` is from 0 to 100 000; `approval_required`, with the id of a
   * plan, if the system clock was set by more than an hour
   */
  async cleanupExpiredSessions(maxAgeDays = 30, options: CleanupCallOptions = {}): Promise<number> {
    return this.#cleanupByAge("expired", maxAgeDays, options);
  }

  /**
   * Removes failed sessions without activity for `maxAgeDays` days; by default all failed sessions. Returns
   * how many were removed.
   *
   * @throws `invalid_request` unless `maxAgeDays` is from 0 to 100 000; `approval_required`, with the id of a
   * plan, if the system clock was set by more than an hour
   */
  async cleanupFailedSessions(maxAgeDays = 0, options: CleanupCallOptions = {}): Promise<number> {
    return this.#cleanupByAge("failed", maxAgeDays, options);
  }

  /** Copies a session as it is now. Returns the location of the copy: for a directory of files, its path. */
  async backupSession(id: string, backupDir?: string): Promise<string | null> {
    checkId(id);
    checkDirectory(backupDir);
    const directory = backupDir === undefined ? this.#backupDir : resolve(backupDir);
    const backup = await unless(absent, this.#backend.backup(id, directory), null);
    return backup?.location ?? null;
  }

  /** Checks a session and returns the findings. For an unreadable session that is a finding, not `null`. */
  async validateSession(id: string): Promise<Validation | null> {
    checkId(id);
    return unless(absent, this.#backend.validate(id), null);
  }

  /**
   * Repairs a session after a backup. Moves an unreadable one to quarantine (with PostgreSQL: to the trash),
   * and restores its newest backup.
   */
  async recoverSession(id: string): Promise<Recovery | null> {
    checkId(id);
    return unless(absent, this.#backend.recover(id), null);
  }

  /** Returns counts, progress (0 to 1) and findings. */
  async getSessionHealth(id: string): Promise<SessionSummaryAndHealth | null> {
    checkId(id);
    return unless(absent, this.#backend.health(id), null);
  }

  /** Finishes open calls, and closes the directory or the connection. */
  async close(): Promise<void> {
    await this.#backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #transition(id: string, verb: Verb, reason: string | undefined): Promise<boolean> {
    checkId(id);
    checkReason(reason);
    return done(absentOrRefused, this.#backend.transition(id, verb, reason));
  }

  async #cleanupByAge(
    policy: CleanupRule["policy"],
    maxAgeDays: number,
    options: CleanupCallOptions,
  ): Promise<number> {
    return this.#cleanup({ policy, maxAgeMs: ageOf(maxAgeDays), approve: approvalOf(options) });
  }

  /** Throws the first failure only if no session was removed. Sessions that could not be removed stay. */
  async #cleanup(rule: CleanupRule): Promise<number> {
    const { removed, failures, outcome, plan_id, warnings } = await this.#backend.cleanup(rule);
    if (outcome === "waiting_approval") {
      const why = warnings.at(-1) ?? "waiting for approval";
      throw new SessiondError("approval_required", `nothing was removed, ${why}; the plan is "${plan_id}"`);
    }
    const [failure] = failures;
    if (failure !== undefined && removed === 0) {
      throw new SessiondError(failure.code as ErrorCode, failure.message);
    }
    return removed;
  }
}

async function unless<T, F>(codes: readonly ErrorCode[], call: Promise<T>, otherwise: F): Promise<T | F> {
  try {
    return await call;
  } catch (error) {
    if (isSessiondError(error, ...codes)) return otherwise;
    throw error;
  }
}

/** True if the call succeeds; false if it fails with one of the codes. */
async function done(codes: readonly ErrorCode[], call: Promise<unknown>): Promise<boolean> {
  return unless(
    codes,
    call.then(() => true),
    false,
  );
}
