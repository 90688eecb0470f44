/// <reference lib="esnext.disposable" preserve="true" />
import { resolve } from "node:path";
import type {
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
import { findSocketPath } from "../http/find-socket.ts";
import type { AttachOptions, SessionClientOptions } from "../session-client.ts";
import type { WorkerSession } from "../worker/worker-session.ts";
import type { Backend, CleanupRule } from "./backend.ts";
import { connectedBackend } from "./connected.ts";
import { EmbeddedBackend } from "./embedded.ts";

export interface EmbeddedOptions {
  /** Where the session files are; created if need be. Default `.sessions`. */
  sessionsDir?: string | undefined;
  /** Where backups go. Default: `backups` in the sessions directory. */
  backupDir?: string | undefined;
}

export interface ConnectOptions extends SessionClientOptions {
  /** Where backups go, among the places that the daemon allows. Default: the daemon's own. */
  backupDir?: string | undefined;
}

/** Everything of a new session but its configuration. */
export type NewSessionOptions = Omit<CreateSessionBody, "config">;

const dayMs = 86_400_000;

/** Codes of a session that is not there to be worked with. */
const absent = ["session_not_found", "session_deleted", "session_corrupt"] as const;
const absentOrRefused = [...absent, "invalid_transition"] as const;

/**
 * Creates, pauses, resumes and cleans up analysis sessions, in a directory of your own or in a running daemon,
 * with the same methods and results.
 *
 * A session that is missing, deleted or unreadable is no exception: methods that return something
 * return `null` for it, and methods that do something return `false`. The status methods also return
 * `false` (and `resumeSession` `null`) where the session's status does not allow the change, such as pausing
 * one that is not running. Every other failure throws an error with a `code`.
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
   * Opens nothing yet: the first call does. While a manager has a directory open, no daemon and no other
   * manager can (`directory_locked`); it does not keep the process from exiting.
   */
  constructor(options: EmbeddedOptions | (ConnectOptions & { socketPath: string }) = {}) {
    this.#backupDir = options.backupDir === undefined ? undefined : resolve(options.backupDir);
    this.#backend =
      "socketPath" in options
        ? connectedBackend(options)
        : new EmbeddedBackend(resolve((options as EmbeddedOptions).sessionsDir ?? defaultSessionsDir));
  }

  /**
   * A manager of the sessions that a running daemon keeps. Without a path, it looks where `sessionctl` does.
   *
   * @example
   * const manager = SessionManager.connect({ socketPath: "/run/sessiond/sessiond.sock" });
   */
  static connect(options: ConnectOptions = {}): SessionManager {
    return new SessionManager({
      ...options,
      socketPath: options.socketPath ?? findSocketPath(),
    });
  }

  /**
   * Creates a running session.
   *
   * @param config what to analyze and how; a text is its `target_path`
   * @throws `session_exists`, `invalid_request`, `invalid_session_id`
   */
  async createSession(config: SessionConfig | string, options: NewSessionOptions = {}): Promise<Session> {
    return this.#backend.create({
      ...options,
      config: typeof config === "string" ? { target_path: config } : config,
    });
  }

  /** Replaces the whole document of a session, or creates it. Nothing but its revision comes out different. */
  async saveSession(session: Session): Promise<SessionSummary> {
    return this.#backend.save(session);
  }

  async loadSession(id: string): Promise<Session | null> {
    return unless(absent, this.#backend.load(id), null);
  }

  async sessionExists(id: string): Promise<boolean> {
    return unless(absent, this.#backend.exists(id), false);
  }

  /** Replaces both file lists and merges the results by key; durable when it resolves. */
  async checkpoint(
    id: string,
    processedFiles: readonly string[],
    pendingFiles: readonly string[],
    partialResults?: JsonObject,
  ): Promise<boolean> {
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
   * Moves files from pending to processed, merges results and adds files that were found: only what
   * changed, whatever the size of the session. The same report twice does no harm.
   */
  async reportProgress(id: string, delta: ProgressDelta): Promise<ProgressReply | null> {
    return unless(absent, this.#backend.progress(id, delta), null);
  }

  /**
   * Makes this process the one worker of a session, and keeps it connected. For sessions of a daemon only.
   *
   * @throws `lease_held` if it has a worker; `invalid_request` for a directory of your own
   */
  async attach(id: string, options: AttachOptions = {}): Promise<WorkerSession | null> {
    return unless(absent, this.#backend.attach(id, options), null);
  }

  /** Only a running session can be paused. */
  async pauseSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "pause", reason);
  }

  /** Only a paused session can be resumed; the session comes with all that it had. */
  async resumeSession(id: string): Promise<Session | null> {
    return unless(absentOrRefused, this.#backend.resume(id), null);
  }

  /** From any status. */
  async completeSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "complete", reason);
  }

  /** From any status. */
  async failSession(id: string, reason?: string): Promise<boolean> {
    return this.#transition(id, "fail", reason);
  }

  /** Whatever change leads to the status, reopening included; true as well when the session has it. */
  async updateSessionStatus(id: string, status: Status, reason?: string): Promise<boolean> {
    return done(absentOrRefused, this.#backend.setStatus(id, status, reason));
  }

  /** Moves a session to the trash, from where it can come back for as long as the trash is kept. */
  async deleteSession(id: string): Promise<boolean> {
    return done(absent, this.#backend.remove(id));
  }

  /** Summaries, newest checkpoint first. */
  async listSessions(status?: Status): Promise<SessionSummary[]> {
    const sessions: SessionSummary[] = [];
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

  async getSessionCount(status?: Status): Promise<number> {
    const stats: Stats = await this.#backend.stats();
    return stats[status ?? "total"];
  }

  /** Removes all completed sessions but the most recent. Resolves with how many were removed. */
  async cleanupCompletedSessions(keepRecent = 10): Promise<number> {
    if (!Number.isSafeInteger(keepRecent) || keepRecent < 0) {
      throw new SessiondError("invalid_request", `keepRecent must be 0 or a whole number, not ${keepRecent}`);
    }
    return this.#cleanup({ policy: "completed", keepRecent });
  }

  /** Removes sessions of any status that saw no activity for so many days. Resolves with how many. */
  async cleanupExpiredSessions(maxAgeDays = 30): Promise<number> {
    return this.#cleanupByAge("expired", maxAgeDays);
  }

  /** Removes failed sessions without activity for so many days, by default all of them. Resolves with how many. */
  async cleanupFailedSessions(maxAgeDays = 0): Promise<number> {
    return this.#cleanupByAge("failed", maxAgeDays);
  }

  /** Copies the session as it is now. Resolves with the path of the copy. */
  async backupSession(id: string, backupDir?: string): Promise<string | null> {
    const directory = backupDir === undefined ? this.#backupDir : resolve(backupDir);
    const backup = await unless(absent, this.#backend.backup(id, directory), null);
    return backup?.location ?? null;
  }

  /** What is wrong with a session, if anything. An unreadable one is a finding; only a missing one is `null`. */
  async validateSession(id: string): Promise<Validation | null> {
    return unless(absent, this.#backend.validate(id), null);
  }

  /** Repairs a session after a backup; puts an unreadable one aside and its newest backup in its place. */
  async recoverSession(id: string): Promise<Recovery | null> {
    return unless(absent, this.#backend.recover(id), null);
  }

  /** Counts, progress and findings. */
  async getSessionHealth(id: string): Promise<SessionSummaryAndHealth | null> {
    return unless(absent, this.#backend.health(id), null);
  }

  /** Finishes what is under way and gives the directory or the connection free. */
  async close(): Promise<void> {
    await this.#backend.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #transition(id: string, verb: Verb, reason: string | undefined): Promise<boolean> {
    return done(absentOrRefused, this.#backend.transition(id, verb, reason));
  }

  async #cleanupByAge(policy: CleanupRule["policy"], maxAgeDays: number): Promise<number> {
    if (!Number.isFinite(maxAgeDays) || maxAgeDays < 0) {
      throw new SessiondError("invalid_request", `maxAgeDays must be 0 or more, not ${maxAgeDays}`);
    }
    return this.#cleanup({ policy, maxAgeMs: Math.round(maxAgeDays * dayMs) });
  }

  /** What could not be removed stays for the next time; only when nothing could be is that an error. */
  async #cleanup(rule: CleanupRule): Promise<number> {
    const { removed, failures } = await this.#backend.cleanup(rule);
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

/** Whether it could be done. */
async function done(codes: readonly ErrorCode[], call: Promise<unknown>): Promise<boolean> {
  return unless(
    codes,
    call.then(() => true),
    false,
  );
}
