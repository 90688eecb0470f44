/** What a SessionManager needs, whether the sessions are embedded or in a daemon. */
import type {
  Backup,
  CleanupResult,
  PolicyName,
  ProgressReply,
  Recovery,
  SessionPage,
  SessionSummaryAndHealth,
  Stats,
  Validation,
} from "../../contract/replies.ts";
import type { CreateSessionBody } from "../../contract/routes.ts";
import type { Checkpoint, ProgressDelta } from "../../session/command.ts";
import type { Session, SessionSummary, Status } from "../../session/session.ts";
import type { Verb } from "../../session/transition.ts";
import type { AttachOptions } from "../options.ts";
import type { SharedWorkerSession } from "../worker/shared-worker-session.ts";
import type { WorkerSession } from "../worker/worker-session.ts";

export interface CleanupRule {
  policy: PolicyName;
  /** For `completed`. */
  keepRecent?: number;
  /** Milliseconds; for `expired` and `failed`. */
  maxAgeMs?: number;
  /** The plan that may be carried out although the system clock was set. */
  approve?: string | undefined;
}

export interface ListFilter {
  status?: readonly Status[] | undefined;
  limit: number;
  cursor?: string | undefined;
}

/**
 * The operations on sessions in an embedded store or a daemon. A method does not see later changes of its
 * arguments, and the caller may change what it returns. Errors have the same codes in both backends.
 */
export interface Backend {
  create(body: CreateSessionBody): Promise<Session>;
  load(id: string): Promise<Session>;
  exists(id: string): Promise<boolean>;
  save(session: Session): Promise<SessionSummary>;
  checkpoint(id: string, checkpoint: Checkpoint): Promise<ProgressReply>;
  progress(id: string, delta: ProgressDelta): Promise<ProgressReply>;
  transition(id: string, verb: Verb, reason?: string): Promise<void>;
  resume(id: string): Promise<Session>;
  setStatus(id: string, status: Status, reason?: string): Promise<void>;
  remove(id: string): Promise<void>;
  list(filter: ListFilter): Promise<SessionPage>;
  stats(): Promise<Stats>;
  /** The outcome is `waiting_approval` if the system clock was set and the rule has no `approve`. */
  cleanup(rule: CleanupRule): Promise<CleanupResult>;
  backup(id: string, directory?: string): Promise<Backup>;
  validate(id: string): Promise<Validation>;
  recover(id: string): Promise<Recovery>;
  health(id: string): Promise<SessionSummaryAndHealth>;
  attach(id: string, options: AttachOptions): Promise<WorkerSession | SharedWorkerSession>;
  close(): Promise<void>;
}
