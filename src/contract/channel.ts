/**
 * The worker channel: JSON text messages over a WebSocket (RFC 6455) at `GET /v1/sessions/{id}/attach`. The
 * open connection is the lease, so a session has one worker at a time. A connection that ends without
 * `detach` is lost. Its worker may reconnect within `worker.reattach_grace` with its token, and send all
 * unacknowledged reports again, because reports are idempotent. Errors are reported before the upgrade where
 * possible, as an HTTP problem.
 *
 * A worker may attach to a session of any status. If the session is not running, a `status` message follows
 * `attached`. If a worker is lost and does not reconnect in time, `worker.on_lost` applies to its session if
 * that is still running.
 */
import { z } from "zod";
import type { ErrorCode } from "../error.ts";
import { plainNumber } from "../json/exact-number.ts";
import type { ProgressDelta } from "../session/command.ts";
import { fileListSchema, jsonObjectSchema, type Session, type Status } from "../session/session.ts";

export const attachPath = "/v1/sessions/{id}/attach";

/** The request header in which a worker that reconnects shows the token of its lease. */
export const tokenHeader = "sessiond-token";

export const attachQuery = z.strictObject({
  worker: z.string().min(1).max(200).optional().describe("a name of the worker, for people"),
  process: z
    .string()
    .regex(/^[0-9a-f-]{36}\/\d{1,20}\/\d{1,10}\/\d{1,20}$/, "must be BOOT/NAMESPACE/PID/START")
    .optional()
    .describe("the worker's process: once it has ended, nobody waits for the worker to reconnect"),
});
export type AttachQuery = z.output<typeof attachQuery>;

/** What a worker may send. */
export const workerMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("progress"),
    seq: z.preprocess(plainNumber, z.int().min(1).max(Number.MAX_SAFE_INTEGER)),
    processed: fileListSchema.optional(),
    results: jsonObjectSchema.optional(),
    added: fileListSchema.optional(),
  }),
  z.strictObject({ type: z.literal("detach") }),
]);

export type WorkerMessage = ProgressMessage | DetachMessage;

/**
 * A report of progress. Many may be in flight; the daemon stops reading while too many wait for an answer.
 * `seq` must grow from message to message of a connection. An invalid message with a valid `seq` is answered
 * by an error with that `seq`. Any other invalid message ends the connection.
 */
export interface ProgressMessage extends ProgressDelta {
  type: "progress";
  seq: number;
}

/**
 * The worker leaves. The lease ends when all earlier messages are answered. The session keeps its status.
 */
export interface DetachMessage {
  type: "detach";
}

/** What the daemon sends. Workers must ignore unknown types and keys. */
export type DaemonMessage =
  /**
   * The first message, sent once. Every connection has a new `epoch`, which is public. The `token` proves who
   * reconnects. It stays the same for the whole lease and is for the worker alone.
   */
  | { type: "attached"; epoch: number; token: string; session: Session }
  /** Every progress message up to `seq` is durable, except for those that were answered by an error. */
  | { type: "ack"; seq: number; revision: number }
  /** The session's new status. Unless the session was deleted, work in flight may still be reported. */
  | { type: "status"; status: Status | "deleted"; reason: string | null }
  /**
   * With `seq`, this progress message was refused. The error comes before any ack of a later message. Nothing
   * of the message was stored, unless `outcome` is `unknown`. Without `seq`, the connection ends.
   */
  | { type: "error"; code: ErrorCode; detail: string; seq?: number; outcome?: "unknown" };

/** The WebSocket close codes with which the daemon ends a connection. */
export const closeCodes = {
  /** The worker has sent `detach`. */
  detached: 1000,
  /**
   * The daemon is stopping. The worker should reconnect with its token and send unanswered messages again.
   */
  stopping: 1001,
  /** The worker has sent something that is not a message. */
  invalid: 1008,
  /** A message was larger than `limits.body`. Messages in flight are not answered. */
  tooLarge: 1009,
  /** Another connection has the lease, or the session was deleted and its id created again. */
  leaseLost: 4001,
  /** The session was deleted. */
  sessionGone: 4002,
} as const;
