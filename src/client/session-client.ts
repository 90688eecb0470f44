/**
 * The client of a daemon: one method for each endpoint of its API.
 *
 * The room client/ owns the library: a client of any daemon. It does not know how the server works.
 */
import type { StreamEvent } from "../contract/events.ts";
import type {
  Backup,
  CleanupResult,
  Emptied,
  Evicted,
  FilePage,
  Health,
  HistoryPage,
  Info,
  JobName,
  ListedSession,
  ProgressReply,
  Recovery,
  ReloadResult,
  Removed,
  Restored,
  ResultPage,
  Schedules,
  SessionPage,
  SessionSummaryAndHealth,
  Stats,
  Stopped,
  TrashListing,
  Validation,
} from "../contract/replies.ts";
import {
  type CreateSessionBody,
  type Reply,
  type RouteName,
  type RunCleanupBody,
  routes,
  type StopBody,
} from "../contract/routes.ts";
import { isJsonObject, type JsonObject } from "../json/exact-json.ts";
import type { Checkpoint, Edit, ProgressDelta } from "../session/command.ts";
import type { Session, SessionSummary } from "../session/session.ts";
import { workingDirectory } from "../working-directory.ts";
import { type Call, callRoute } from "./call-route.ts";
import { type EventsOptions, followEvents } from "./events.ts";
import { type Daemon, managedDaemon } from "./http/daemon.ts";
import { type CallOptions, defaultTimeoutMs, HttpTransport } from "./http/http.ts";
import type { Patience } from "./http/patience.ts";
import type {
  CleanupQuery,
  DeleteQuery,
  EmptyTrashQuery,
  HistoryQuery,
  ListFilesQuery,
  ListResultsQuery,
  ListSessionsQuery,
} from "./http/query.ts";
import { successBody } from "./http/reply.ts";
import { findDaemon } from "./on-demand/find-daemon.ts";
import type {
  AttachOptions,
  ChangeCallOptions,
  RequeueOptions,
  SaveOptions,
  SessionClientOptions,
  TransitionOptions,
} from "./options.ts";
import { SharedWorkerSession } from "./worker/shared-worker-session.ts";
import { WorkerSession } from "./worker/worker-session.ts";

const defaultReconnectMs = 60_000;

/**
 * The whole control API of a running daemon, one method for each endpoint.
 *
 * Every method throws a {@link SessiondError} with the daemon's `code` if the daemon refuses the call, and a
 * {@link ConnectionError} if the daemon cannot be reached. If `outcome` of the error is `unknown`, the change
 * may have been made. Methods for one session throw `session_not_found`, `session_deleted`, `session_corrupt`
 * or `invalid_session_id`; the comments below name further codes. Times are ISO 8601; sizes are in bytes.
 *
 * @example
 * const client = new SessionClient();
 * const { session_id } = await client.createSession({ config: { target_path: "src" } });
 * await client.reportProgress(session_id, { processed: ["a.ts"], results: { "a.ts": { score: 1 } } });
 */
export class SessionClient {
  readonly #daemon: Daemon;
  readonly #transport: HttpTransport;
  readonly #timeoutMs: number;
  readonly #patience: Patience | undefined;

  /**
   * @param daemon for internal use: the daemon, if it was found already
   * @param patience for internal use: what goes on trying while the daemon is gone
   */
  constructor(options: SessionClientOptions = {}, daemon = daemonFor(options), patience?: Patience) {
    this.#daemon = daemon;
    this.#patience = patience;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const { keepSpelling } = options;
    this.#transport = new HttpTransport(daemon, { timeoutMs: this.#timeoutMs, keepSpelling });
  }

  /** The path of the socket that this client uses. */
  get socketPath(): string {
    return this.#transport.socketPath;
  }

  /** Creates a running session. @throws `session_exists`, `invalid_request` */
  createSession(body: CreateSessionBody, options?: CallOptions): Promise<Session> {
    return this.#call("createSession", { body }, options);
  }

  /** Returns one page of sessions. The default order is newest checkpoint first. */
  listSessions(query: ListSessionsQuery = {}, options?: CallOptions): Promise<SessionPage> {
    return this.#call("listSessions", { query }, options);
  }

  /** Iterates over all sessions that match, and fetches page after page. */
  async *allSessions(query: ListSessionsQuery = {}, options?: CallOptions): AsyncGenerator<ListedSession> {
    let cursor = query.cursor ?? null;
    do {
      const page = await this.listSessions({ limit: 1000, ...query, cursor: cursor ?? undefined }, options);
      yield* page.sessions;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  /** Counts the sessions, in total and by status. */
  getStats(options?: CallOptions): Promise<Stats> {
    return this.#call("getStats", {}, options);
  }

  /** Returns the whole session. */
  getSession(id: string, options?: CallOptions): Promise<Session> {
    return this.#call("getSession", { params: { id } }, options);
  }

  /**
   * Reads the whole session as JSON in UTF-8, which `take` gets in pieces, however large the document is. No
   * more is read until `take` resolves. What it throws, this throws.
   */
  async readSession(
    id: string,
    take: (bytes: Uint8Array) => Promise<void>,
    options?: CallOptions,
  ): Promise<void> {
    successBody(await this.#transport.request(routes.getSession, { params: { id }, take, ...options }));
  }

  /**
   * Whether the session exists. False for a deleted one; throws `session_corrupt` for one that cannot be
   * read.
   */
  async sessionExists(id: string, options?: CallOptions): Promise<boolean> {
    const reply = await this.#transport.request(
      { ...routes.getSession, method: "HEAD" },
      { params: { id }, ...options },
    );
    if (reply.status === 200) return true;
    if (reply.status === 404 || reply.status === 410) return false;
    // A reply to HEAD has no body and so no error code. A GET for the same session throws the right error.
    await this.getSummary(id, options);
    return true;
  }

  /** Returns counts, progress (0 to 1), workers and health of a session. */
  getSummary(id: string, options?: CallOptions): Promise<SessionSummaryAndHealth> {
    return this.#call("getSummary", { params: { id } }, options);
  }

  /** Returns one page of a session's files, by default of the pending ones. */
  listFiles(id: string, query: ListFilesQuery = {}, options?: CallOptions): Promise<FilePage> {
    return this.#call("listFiles", { params: { id }, query }, options);
  }

  /** Returns one page of a session's results, of all files or of the failed ones. */
  listResults(id: string, query: ListResultsQuery = {}, options?: CallOptions): Promise<ResultPage> {
    return this.#call("listResults", { params: { id }, query }, options);
  }

  /**
   * Replaces the whole document of a session, or creates the session. A file must be in one list, once.
   *
   * @throws `revision_mismatch`, `lease_held`
   */
  saveSession(session: Session, options?: SaveOptions): Promise<SessionSummary> {
    return this.#call("saveSession", { params: { id: session.session_id }, body: session }, options);
  }

  /**
   * Replaces both file lists, which must name each file once, and merges results by key.
   *
   * @throws `revision_mismatch`, `lease_held`, `invalid_request`
   */
  checkpointSession(id: string, checkpoint: Checkpoint, options?: ChangeCallOptions): Promise<ProgressReply> {
    return this.#call("checkpointSession", { params: { id }, body: checkpoint }, options);
  }

  /**
   * Reports processed files, their results and newly found files. Costs what the report contains, however
   * large the session is. The same report twice does no harm.
   *
   * @throws `lease_held` if the session has a worker
   */
  reportProgress(id: string, delta: ProgressDelta, options?: CallOptions): Promise<ProgressReply> {
    return this.#call("reportProgress", { params: { id }, body: delta }, options);
  }

  /**
   * Makes processed files pending again, behind the others, in the order given. Their results stay until they
   * are replaced. Files that are pending, and that no worker holds, stay where they are. With
   * `unlessFinishedSince`, files that have run since are left alone, and so is what is not processed.
   *
   * @throws `invalid_request` if the session does not have a file, `not_claimed` if a worker holds one,
   *   `lease_held` if a worker has the session for itself
   */
  requeue(id: string, files: readonly string[], options: RequeueOptions = {}): Promise<ProgressReply> {
    const { unlessFinishedSince: unless_finished_since, ...call } = options;
    return this.#call("requeueFiles", { params: { id }, body: { files, unless_finished_since } }, call);
  }

  /**
   * Ends the lease of a worker at once, without a time to reconnect and without `worker.on_lost`. Others can
   * claim the files that it holds. `getSummary` has the epochs.
   *
   * @throws `lease_lost` if there is no such lease
   */
  evict(id: string, epoch: number, options?: CallOptions): Promise<Evicted> {
    return this.#call("evictWorker", { params: { id, epoch: String(epoch) } }, options);
  }

  /** Pauses a running session. @throws `invalid_transition` */
  pauseSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("pauseSession", { params: { id }, body: reasonOf(options) }, options);
  }

  /** Resumes a paused session. @throws `invalid_transition` */
  resumeSession(id: string, options?: TransitionOptions): Promise<Session> {
    return this.#call("resumeSession", { params: { id }, body: reasonOf(options) }, options);
  }

  /** Marks a session of any status as completed. */
  completeSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("completeSession", { params: { id }, body: reasonOf(options) }, options);
  }

  /** Marks a session of any status as failed. */
  failSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("failSession", { params: { id }, body: reasonOf(options) }, options);
  }

  /** Sets a completed or failed session back to running. @throws `invalid_transition` */
  reopenSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("reopenSession", { params: { id }, body: reasonOf(options) }, options);
  }

  /**
   * Sets labels or what `sessionctl run` remembers (null removes a label or a key), or protects a session
   * from cleanup.
   *
   * @throws `revision_mismatch`
   */
  editSession(id: string, changes: Edit, options?: ChangeCallOptions): Promise<SessionSummary> {
    return this.#call("editSession", { params: { id }, body: changes }, options);
  }

  /** Moves a session to the trash, or deletes it permanently. @throws `lease_held` if a worker is attached */
  deleteSession(id: string, query: DeleteQuery = {}, options?: CallOptions): Promise<Removed> {
    return this.#call("deleteSession", { params: { id }, query }, options);
  }

  /** Copies a session as it is now. */
  createBackup(
    id: string,
    where: { directory?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Backup> {
    return this.#call("createBackup", { params: { id }, body: where }, options);
  }

  /** Returns the backups of a session, newest first. */
  listBackups(id: string, options?: CallOptions): Promise<{ backups: Backup[] }> {
    return this.#call("listBackups", { params: { id } }, options);
  }

  /** Restores a backup by its name. The present session is backed up first. */
  restoreBackup(id: string, backup: string, options?: CallOptions): Promise<Restored> {
    return this.#call("restoreBackup", { params: { id }, body: { backup } }, options);
  }

  /** Checks a session and returns the findings. */
  validateSession(id: string, options?: CallOptions): Promise<Validation> {
    return this.#call("validateSession", { params: { id } }, options);
  }

  /**
   * Repairs a session after a backup. Moves an unreadable one to quarantine (with PostgreSQL: to the trash),
   * and restores its newest backup.
   */
  recoverSession(id: string, options?: CallOptions): Promise<Recovery> {
    return this.#call("recoverSession", { params: { id } }, options);
  }

  /** Returns the cleanup jobs with their last and next runs. */
  getCleanup(query: CleanupQuery = {}, options?: CallOptions): Promise<Schedules> {
    return this.#call("getCleanup", { query }, options);
  }

  /**
   * Runs a policy now, or the cleanup of the trash, or plans it. After the system clock was set, nothing is
   * removed without `approve`: the outcome is `waiting_approval`.
   *
   * @throws `approval_required` if the plan in `approve` does not exist
   */
  runCleanup(policy: JobName, body: RunCleanupBody = {}, options?: CallOptions): Promise<CleanupResult> {
    return this.#call("runCleanup", { params: { policy }, body }, options);
  }

  /** Returns one page of the removals by cleanup, newest first. */
  getCleanupHistory(query: HistoryQuery = {}, options?: CallOptions): Promise<HistoryPage> {
    return this.#call("getCleanupHistory", { query }, options);
  }

  /** Returns the removed sessions that can be restored, newest first. */
  listTrash(options?: CallOptions): Promise<TrashListing> {
    return this.#call("listTrash", {}, options);
  }

  /**
   * Restores a removed session: the one with this trash id, else the newest with this id. @throws
   * `session_exists`
   */
  restoreTrash(
    id: string,
    which: { trash_id?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<SessionSummary> {
    return this.#call("restoreTrash", { params: { id }, body: which }, options);
  }

  /** Permanently deletes sessions in the trash. */
  emptyTrash(query: EmptyTrashQuery = {}, options?: CallOptions): Promise<Emptied> {
    return this.#call("emptyTrash", { query }, options);
  }

  /**
   * Makes this process one of the workers of a session, each of which works on the files that it claims.
   *
   * @throws `lease_held` if the session has a worker that does not share it
   */
  attach(id: string, options: AttachOptions & { shared: true }): Promise<SharedWorkerSession>;
  /**
   * Makes this process the worker of a session. Nobody else can attach to the session or report progress
   * until the worker detaches, or is disconnected for longer than `worker.reattach_grace`.
   *
   * @throws `lease_held` if the session has a worker
   */
  attach(id: string, options?: AttachOptions & { shared?: false | undefined }): Promise<WorkerSession>;
  attach(id: string, options?: AttachOptions): Promise<WorkerSession | SharedWorkerSession>;
  attach(id: string, options: AttachOptions = {}): Promise<WorkerSession | SharedWorkerSession> {
    const { worker, signal, timeoutMs = this.#timeoutMs, keepResults = true, shared = false } = options;
    const { reconnectMs = defaultReconnectMs } = options;
    const daemon = this.#daemon;
    const settings = { daemon, worker, timeoutMs, reconnectMs };
    const read = async (signal: AbortSignal): Promise<Session> => {
      // A worker's session has plain numbers, also if this client keeps their spelling.
      const transport = new HttpTransport(daemon, { timeoutMs });
      try {
        return await callRoute(transport, "getSession", { params: { id } }, { signal });
      } finally {
        transport.close();
      }
    };
    const once = (): Promise<WorkerSession | SharedWorkerSession> =>
      shared
        ? SharedWorkerSession.attach(id, settings, signal)
        : WorkerSession.attach(id, { ...settings, keepsResults: keepResults, read }, signal);
    return this.#patience === undefined ? once() : this.#patience.call(once, { repeatable: true, signal });
  }

  /**
   * Follows the changes of sessions and workers, from now on or after the event `since`. After a lost
   * connection it reconnects and continues after the last event. The first event without `since`, and any
   * later one after which events may be missing, is a `reset`: list the sessions then, and the following
   * events keep the list up to date.
   *
   * @example
   * for await (const event of client.events({ kinds: ["session.status"] })) {
   *   if (event.kind === "session.status") console.log(event.session_id, event.from, event.to);
   * }
   */
  events(options: EventsOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    return followEvents(this.#daemon, { ...options, timeoutMs: options.timeoutMs ?? this.#timeoutMs });
  }

  /** Returns facts about the daemon: version, socket, store, numbers of sessions and workers. */
  getInfo(options?: CallOptions): Promise<Info> {
    return this.#call("getInfo", {}, options);
  }

  /** Returns the daemon's health and the problems that need attention, each with a hint. */
  async getHealth(options?: CallOptions): Promise<Health> {
    const reply = await this.#transport.request(routes.getHealth, options);
    // If the storage has failed the status is 503, for simple monitors, but the body is the health all the
    // same.
    const isHealth = reply.status === 503 && isJsonObject(reply.body) && Array.isArray(reply.body.problems);
    return (isHealth ? reply.body : successBody(reply)) as unknown as Health;
  }

  /**
   * Reloads the configuration file.
   *
   * @throws `invalid_request` if it is bad; the old one then stays in force
   */
  reload(options?: CallOptions): Promise<ReloadResult> {
    return this.#call("reload", {}, options);
  }

  /**
   * Stops a daemon that was started on demand, which then lets the store go. It may still answer for a
   * moment.
   *
   * @throws `lease_held` if workers are attached, unless `force` is set; `invalid_request` if the daemon runs
   *   until it is stopped where it was started
   */
  stopDaemon(body: StopBody = {}, options?: CallOptions): Promise<Stopped> {
    return this.#call("stopDaemon", { body }, options);
  }

  /** Returns the API as an OpenAPI 3.1 document. */
  getOpenApi(options?: CallOptions): Promise<JsonObject> {
    return this.#call("getOpenApi", {}, options);
  }

  /** Closes idle connections. A later call opens a new one. */
  close(): void {
    this.#transport.close();
  }

  #call<Name extends RouteName>(name: Name, call: Call<Name>, options?: SaveOptions): Promise<Reply<Name>> {
    return callRoute(this.#transport, name, call, options, this.#patience);
  }
}

/**
 * The daemon at the socket, or else the one that sessionctl would use. The daemon of a store is started when
 * the client first needs it.
 */
function daemonFor({ socketPath }: SessionClientOptions): Daemon {
  if (socketPath !== undefined) return managedDaemon(socketPath);
  return findDaemon({ env: process.env, cwd: workingDirectory() }).daemon;
}

function reasonOf(options: TransitionOptions | undefined): { reason?: string } {
  return options?.reason === undefined ? {} : { reason: options.reason };
}
