/**
 * The worker channel: JSON text messages over a WebSocket (RFC 6455) at `GET /v1/sessions/{id}/attach`. The open
 * connection is the lease: whoever has it is the session's one worker. A connection that ends without `detach` is lost;
 * its worker may come back within `worker.reattach_grace`, with the epoch that it had, and send again what was not acked:
 * reports are idempotent. What can be refused is refused before the connection is made, as HTTP with a problem.
 *
 * A worker may attach to a session of any status. One that is not running is said to be so by a `status` right after
 * `attached`, as if it had changed at that moment. A worker that leaves without `detach` has its session paused (or what
 * `worker.on_lost` says) only if that is still running.
 */
import { z } from "zod";
import type { ErrorCode } from "../error.ts";
import type { ProgressDelta } from "../session/command.ts";
import { fileListSchema, jsonObjectSchema, type Session, type Status } from "../session/session.ts";
import { wholeNumber } from "./requests.ts";

export const attachPath = "/v1/sessions/{id}/attach";

export const attachQuery = z.strictObject({
  worker: z.string().min(1).max(200).optional().describe("a name for people to know the worker by"),
  epoch: wholeNumber(1, Number.MAX_SAFE_INTEGER)
    .optional()
    .describe("the epoch that this worker had, to come back after a lost connection"),
});
export type AttachQuery = z.output<typeof attachQuery>;

/** What a worker may send. */
export const workerMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("progress"),
    seq: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
    processed: fileListSchema.optional(),
    results: jsonObjectSchema.optional(),
    added: fileListSchema.optional(),
  }),
  z.strictObject({ type: z.literal("detach") }),
]);

export type WorkerMessage = ProgressMessage | DetachMessage;

/**
 * Any number may be under way; the daemon reads no further while many wait for their answers. `seq` grows from message to
 * message of a connection. What is JSON with a good `seq`, and not good otherwise, is refused under it; any other message
 * that is not one of these ends the connection.
 */
export interface ProgressMessage extends ProgressDelta {
  type: "progress";
  seq: number;
}

/**
 * The worker has no more to report and leaves: the lease ends as soon as what was sent before is answered, and nothing
 * becomes of the session.
 */
export interface DetachMessage {
  type: "detach";
}

/** What the daemon sends. Workers must ignore types and keys that they do not know. */
export type DaemonMessage =
  /** First, once. `epoch` is new with every connection. */
  | { type: "attached"; epoch: number; session: Session }
  /** Every progress message up to `seq` that was not answered by an error is durable. */
  | { type: "ack"; seq: number; revision: number }
  /** The status is this now, whoever made it so. What is in flight may still be reported, unless the session was deleted. */
  | { type: "status"; status: Status | "deleted"; reason: string | null }
  /**
   * With `seq`, that progress message was refused; it comes before any ack beyond it. Nothing of the message was kept,
   * unless `outcome` is `unknown`. Without `seq`, the connection ends.
   */
  | { type: "error"; code: ErrorCode; detail: string; seq?: number; outcome?: "unknown" };

/** Why the daemon closes the connection, as WebSocket close codes. */
export const closeCodes = {
  /** After `detach`. */
  detached: 1000,
  /** The daemon is stopping, with everything answered that it took in: come back with your epoch, and send the rest again. */
  stopping: 1001,
  /** The worker sent what is no message. */
  invalid: 1008,
  /** A message was over `limits.body`. What was under way is not answered any more. */
  tooLarge: 1009,
  /** Another connection has the lease, or another session the id. */
  leaseLost: 4001,
  /** The session was deleted. */
  sessionGone: 4002,
} as const;
