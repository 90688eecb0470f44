/**
 * The public library. {@link SessionManager} is the simple way in, with or without a daemon. {@link
 * SessionClient} has the daemon's whole API, and {@link WorkerSession} is a worker that holds a session.
 */
export type { EventKind, ResetEvent, SessionEvent, StreamEvent } from "../contract/events.ts";
export type {
  AttachedWorker,
  Backup,
  CleanupResult,
  Decision,
  Emptied,
  Evicted,
  FilePage,
  Health,
  HealthProblem,
  HistoryEntry,
  HistoryPage,
  Info,
  JobName,
  ListedSession,
  PolicyName,
  ProgressReply,
  Recovery,
  ReloadResult,
  Removed,
  Restored,
  ResultPage,
  ScheduleEntry,
  Schedules,
  SessionPage,
  SessionSummaryAndHealth,
  Stats,
  Stopped,
  TrashEntry,
  TrashListing,
  Validation,
} from "../contract/replies.ts";
export type { CreateSessionBody, RequeueBody, RunCleanupBody, StopBody } from "../contract/routes.ts";
export { type ErrorCode, type Issue, isSessiondError, SessiondError } from "../error.ts";
export {
  ExactNumber,
  JsonError,
  type JsonObject,
  type JsonValue,
  parsePlainJson as parseJson,
  stringifyJson,
} from "../json/exact-json.ts";
export type { Checkpoint, Edit, LabelChanges, ProgressDelta } from "../session/command.ts";
export type { Finding, FindingCode } from "../session/diagnosis.ts";
export type { RunChanges, SessionRun } from "../session/run-memory.ts";
export type { Session, SessionConfig, SessionSummary, Status } from "../session/session.ts";
export type { EventsOptions } from "./events.ts";
export { ConnectionError, type ConnectionReason } from "./http/connection-error.ts";
export type { CallOptions } from "./http/http.ts";
export type {
  CleanupQuery,
  DeleteQuery,
  EmptyTrashQuery,
  FileState,
  HistoryQuery,
  ListFilesQuery,
  ListResultsQuery,
  ListSessionsQuery,
  PageQuery,
} from "./http/query.ts";
export {
  type ConnectOptions,
  type EmbeddedOptions,
  type NewSessionOptions,
  SessionManager,
} from "./manager/session-manager.ts";
export type {
  AttachOptions,
  ChangeCallOptions,
  RequeueOptions,
  SaveOptions,
  SessionClientOptions,
  TransitionOptions,
} from "./options.ts";
export { SessionClient } from "./session-client.ts";
export type { Claimed } from "./worker/claims.ts";
export type {
  ForEachOptions,
  ForEachSummary,
  SharedWork,
  SharedWorkContext,
  Work,
  WorkContext,
} from "./worker/for-each-options.ts";
export { NotNow, type NotNowOptions } from "./worker/not-now.ts";
export type { Reported } from "./worker/report.ts";
export type { ClaimOptions, SharedWorkerSession } from "./worker/shared-worker-session.ts";
export { type StopCause, WorkerStopped } from "./worker/stop.ts";
export type { Worker } from "./worker/worker.ts";
export type { WorkerSession } from "./worker/worker-session.ts";
