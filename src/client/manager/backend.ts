import type {
  Backup,
  CleanupResult,
  PolicyName,
  ProgressReply,
  Recovery,
  SessionSummaryAndHealth,
  Stats,
  SummaryPage,
  Validation,
} from "../../contract/replies.ts";
import type { CreateSessionBody } from "../../contract/routes.ts";
import type { Checkpoint, ProgressDelta } from "../../session/command.ts";
import type { Session, SessionSummary, Status } from "../../session/session.ts";
import type { Verb } from "../../session/transition.ts";
import type { AttachOptions } from "../session-client.ts";
import type { WorkerSession } from "../worker/worker-session.ts";

export interface CleanupRule {
  policy: PolicyName;
  /** For `completed`. */
  keepRecent?: number;
  /** Milliseconds; for `expired` and `failed`. */
  maxAgeMs?: number;
}

export interface ListFilter {
  status?: readonly Status[] | undefined;
  limit: number;
  cursor?: string | undefined;
}

/**
 * What a SessionManager needs of whoever keeps the sessions: an embedded store, or a daemon. Every method
 * takes its arguments as they are at the call, hands out values that are the caller's own, and says by
 * the code of an error why it could not do it.
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
  list(filter: ListFilter): Promise<SummaryPage>;
  stats(): Promise<Stats>;
  cleanup(rule: CleanupRule): Promise<CleanupResult>;
  backup(id: string, directory?: string): Promise<Backup>;
  validate(id: string): Promise<Validation>;
  recover(id: string): Promise<Recovery>;
  health(id: string): Promise<SessionSummaryAndHealth>;
  attach(id: string, options: AttachOptions): Promise<WorkerSession>;
  close(): Promise<void>;
}
