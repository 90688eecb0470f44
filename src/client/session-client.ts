import type { StreamEvent } from "../contract/events.ts";
import type {
  Backup,
  CleanupResult,
  Emptied,
  FilePage,
  Health,
  HistoryPage,
  Info,
  ListedSession,
  PolicyName,
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
  TrashListing,
  Validation,
} from "../contract/replies.ts";
import {
  type Body,
  type CreateSessionBody,
  type QueryKeys,
  type Reply,
  type Route,
  type RouteName,
  type RunCleanupBody,
  routes,
} from "../contract/routes.ts";
import { isJsonObject, type JsonObject } from "../json/exact-json.ts";
import type { Checkpoint, LabelChanges, ProgressDelta } from "../session/command.ts";
import type { Session, SessionSummary } from "../session/session.ts";
import { type EventsOptions, followEvents } from "./events.ts";
import { findSocketPath } from "./http/find-socket.ts";
import { type CallOptions, defaultTimeoutMs, HttpTransport } from "./http/http.ts";
import type {
  DeleteQuery,
  EmptyTrashQuery,
  HistoryQuery,
  ListFilesQuery,
  ListSessionsQuery,
  PageQuery,
} from "./http/query.ts";
import { successBody } from "./http/reply.ts";
import { WorkerSession } from "./worker/worker-session.ts";

export interface SessionClientOptions {
  /** Default: `$SESSIOND_SOCKET`, else the user's own daemon, else the system service. */
  socketPath?: string | undefined;
  /** Milliseconds that each call may take; default 60 000, and 0 waits for ever. */
  timeoutMs?: number | undefined;
}

export interface ChangeCallOptions extends CallOptions {
  /** Change the session only if it is still at this revision, else `revision_mismatch`. */
  ifRevision?: number | undefined;
}

export interface SaveOptions extends ChangeCallOptions {
  /** Create the session, and replace none: `revision_mismatch` if there is one. */
  ifAbsent?: boolean | undefined;
}

export interface TransitionOptions extends CallOptions {
  reason?: string | undefined;
}

export interface AttachOptions extends CallOptions {
  /** A name for people to know the worker by. */
  worker?: string | undefined;
  /** Milliseconds for which a lost connection is tried again; default 60 000, and 0 is not at all. */
  reconnectMs?: number | undefined;
  /**
   * Whether `session.partial_results` of the worker has the results of the session; default true. Without them its memory does
   * not grow with what is found, and it is empty.
   */
  keepResults?: boolean | undefined;
}

const defaultReconnectMs = 60_000;

interface Call<Name extends RouteName> {
  params?: Readonly<Record<string, string>>;
  query?: { readonly [Key in QueryKeys<Name>]?: unknown };
  body?: Body<Name>;
}

/** Besides reading: what the daemon can do twice with the same effect as once. */
const repeatableChanges: ReadonlySet<RouteName> = new Set<RouteName>([
  "saveSession",
  "checkpointSession",
  "reportProgress",
]);

/**
 * The whole control API of a running daemon, one method per endpoint. Every method may throw a
 * {@link SessiondError} with the daemon's code, or a {@link ConnectionError}.
 *
 * @example
 * const client = new SessionClient();
 * const { session_id } = await client.createSession({ config: { target_path: "src" } });
 * await client.reportProgress(session_id, { processed: ["a.ts"], results: { "a.ts": { score: 1 } } });
 */
export class SessionClient {
  readonly #transport: HttpTransport;
  readonly #timeoutMs: number;

  constructor(options: SessionClientOptions = {}) {
    const socketPath = options.socketPath ?? findSocketPath();
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#transport = new HttpTransport(socketPath, this.#timeoutMs);
  }

  /** Where this client looks for the daemon. */
  get socketPath(): string {
    return this.#transport.socketPath;
  }

  createSession(body: CreateSessionBody, options?: CallOptions): Promise<Session> {
    return this.#call("createSession", { body }, options);
  }

  /** One page, newest checkpoint first unless sorted otherwise. */
  listSessions(query: ListSessionsQuery = {}, options?: CallOptions): Promise<SessionPage> {
    return this.#call("listSessions", { query }, options);
  }

  /** Every session that matches, page after page. */
  async *allSessions(query: ListSessionsQuery = {}, options?: CallOptions): AsyncGenerator<ListedSession> {
    let cursor = query.cursor ?? null;
    do {
      const page = await this.listSessions({ limit: 1000, ...query, cursor: cursor ?? undefined }, options);
      yield* page.sessions;
      cursor = page.next_cursor;
    } while (cursor !== null);
  }

  getStats(options?: CallOptions): Promise<Stats> {
    return this.#call("getStats", {}, options);
  }

  getSession(id: string, options?: CallOptions): Promise<Session> {
    return this.#call("getSession", { params: { id } }, options);
  }

  /** False for a session that was never there or has been deleted. */
  async sessionExists(id: string, options?: CallOptions): Promise<boolean> {
    const reply = await this.#transport.request(
      { ...routes.getSession, method: "HEAD" },
      { params: { id }, ...options },
    );
    if (reply.status === 200) return true;
    if (reply.status === 404 || reply.status === 410) return false;
    // A reply to HEAD cannot say what is wrong; the same question as GET can.
    await this.getSummary(id, options);
    return true;
  }

  getSummary(id: string, options?: CallOptions): Promise<SessionSummaryAndHealth> {
    return this.#call("getSummary", { params: { id } }, options);
  }

  listFiles(id: string, query: ListFilesQuery = {}, options?: CallOptions): Promise<FilePage> {
    return this.#call("listFiles", { params: { id }, query }, options);
  }

  listResults(id: string, query: PageQuery = {}, options?: CallOptions): Promise<ResultPage> {
    return this.#call("listResults", { params: { id }, query }, options);
  }

  /** Replaces the document of the session that it names, or creates that session. */
  saveSession(session: Session, options?: SaveOptions): Promise<SessionSummary> {
    return this.#call("saveSession", { params: { id: session.session_id }, body: session }, options);
  }

  checkpointSession(id: string, checkpoint: Checkpoint, options?: ChangeCallOptions): Promise<ProgressReply> {
    return this.#call("checkpointSession", { params: { id }, body: checkpoint }, options);
  }

  reportProgress(id: string, delta: ProgressDelta, options?: CallOptions): Promise<ProgressReply> {
    return this.#call("reportProgress", { params: { id }, body: delta }, options);
  }

  pauseSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("pauseSession", { params: { id }, body: reasonOf(options) }, options);
  }

  resumeSession(id: string, options?: TransitionOptions): Promise<Session> {
    return this.#call("resumeSession", { params: { id }, body: reasonOf(options) }, options);
  }

  completeSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("completeSession", { params: { id }, body: reasonOf(options) }, options);
  }

  failSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("failSession", { params: { id }, body: reasonOf(options) }, options);
  }

  reopenSession(id: string, options?: TransitionOptions): Promise<SessionSummary> {
    return this.#call("reopenSession", { params: { id }, body: reasonOf(options) }, options);
  }

  editSession(
    id: string,
    changes: { labels?: LabelChanges | undefined; pinned?: boolean | undefined },
    options?: ChangeCallOptions,
  ): Promise<SessionSummary> {
    return this.#call("editSession", { params: { id }, body: changes }, options);
  }

  deleteSession(id: string, query: DeleteQuery = {}, options?: CallOptions): Promise<Removed> {
    return this.#call("deleteSession", { params: { id }, query }, options);
  }

  createBackup(
    id: string,
    where: { directory?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<Backup> {
    return this.#call("createBackup", { params: { id }, body: where }, options);
  }

  listBackups(id: string, options?: CallOptions): Promise<{ backups: Backup[] }> {
    return this.#call("listBackups", { params: { id } }, options);
  }

  restoreBackup(id: string, backup: string, options?: CallOptions): Promise<Restored> {
    return this.#call("restoreBackup", { params: { id }, body: { backup } }, options);
  }

  validateSession(id: string, options?: CallOptions): Promise<Validation> {
    return this.#call("validateSession", { params: { id } }, options);
  }

  recoverSession(id: string, options?: CallOptions): Promise<Recovery> {
    return this.#call("recoverSession", { params: { id } }, options);
  }

  getCleanup(options?: CallOptions): Promise<Schedules> {
    return this.#call("getCleanup", {}, options);
  }

  runCleanup(policy: PolicyName, body: RunCleanupBody = {}, options?: CallOptions): Promise<CleanupResult> {
    return this.#call("runCleanup", { params: { policy }, body }, options);
  }

  getCleanupHistory(query: HistoryQuery = {}, options?: CallOptions): Promise<HistoryPage> {
    return this.#call("getCleanupHistory", { query }, options);
  }

  listTrash(options?: CallOptions): Promise<TrashListing> {
    return this.#call("listTrash", {}, options);
  }

  /** Without a trash id, the newest of that session. */
  restoreTrash(
    id: string,
    which: { trash_id?: string | undefined } = {},
    options?: CallOptions,
  ): Promise<SessionSummary> {
    return this.#call("restoreTrash", { params: { id }, body: which }, options);
  }

  emptyTrash(query: EmptyTrashQuery = {}, options?: CallOptions): Promise<Emptied> {
    return this.#call("emptyTrash", { query }, options);
  }

  /**
   * Makes this process the one worker of a session: nobody else can attach to it or report on it until the worker
   * detaches, or is gone for longer than `worker.reattach_grace`.
   *
   * @throws `lease_held` if there is a worker, `session_not_found` …
   */
  attach(id: string, options: AttachOptions = {}): Promise<WorkerSession> {
    const { worker, signal, timeoutMs = this.#timeoutMs, keepResults = true } = options;
    const { reconnectMs = defaultReconnectMs } = options;
    const { socketPath } = this;
    const settings = { socketPath, worker, timeoutMs, reconnectMs, keepsResults: keepResults };
    return WorkerSession.attach(id, settings, signal);
  }

  /**
   * What happens to sessions and their workers, from now on or after the event `since`. A lost connection is made again, after the
   * event that came last. After each `reset`, the first of all included, list what you need to know: the events after it keep
   * that up to date.
   *
   * @example
   * for await (const event of client.events({ kinds: ["session.status"] })) {
   *   if (event.kind === "session.status") console.log(event.session_id, event.from, event.to);
   * }
   */
  events(options: EventsOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    return followEvents(this.socketPath, { ...options, timeoutMs: options.timeoutMs ?? this.#timeoutMs });
  }

  getInfo(options?: CallOptions): Promise<Info> {
    return this.#call("getInfo", {}, options);
  }

  async getHealth(options?: CallOptions): Promise<Health> {
    const reply = await this.#transport.request(routes.getHealth, options);
    // A daemon whose storage has failed answers 503, for monitors that look no further, and still says what is wrong.
    const told = reply.status === 503 && isJsonObject(reply.body) && Array.isArray(reply.body.problems);
    return (told ? reply.body : successBody(reply)) as unknown as Health;
  }

  reload(options?: CallOptions): Promise<ReloadResult> {
    return this.#call("reload", {}, options);
  }

  getOpenApi(options?: CallOptions): Promise<JsonObject> {
    return this.#call("getOpenApi", {}, options);
  }

  /** Closes idle connections; a later call opens a new one. */
  close(): void {
    this.#transport.close();
  }

  async #call<Name extends RouteName>(
    name: Name,
    call: Call<Name>,
    options: SaveOptions = {},
  ): Promise<Reply<Name>> {
    const { ifRevision, ifAbsent, signal, timeoutMs } = options;
    const route: Route = routes[name];
    const reply = await this.#transport.request(route, {
      ...call,
      signal,
      timeoutMs,
      headers: {
        ...(ifRevision === undefined ? {} : { "if-match": `"${ifRevision}"` }),
        ...(ifAbsent ? { "if-none-match": "*" } : {}),
      },
      // Under a condition, the second of two equal requests would fail because of the first.
      repeatable:
        route.method === "GET" || (repeatableChanges.has(name) && ifRevision === undefined && !ifAbsent),
    });
    return successBody(reply) as Reply<Name>;
  }
}

function reasonOf(options: TransitionOptions | undefined): { reason?: string } {
  return options?.reason === undefined ? {} : { reason: options.reason };
}
