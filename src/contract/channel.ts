/**
 * The worker channel: JSON text messages over a WebSocket (RFC 6455) at `GET /v1/sessions/{id}/attach`. The open
 * connection is the lease: whoever has it is the session's one worker. A connection that ends without `detach` is lost;
 * its worker may come back within `worker.reattach_grace`, with the epoch that it had.
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

/** Any number may be under way; `seq` grows from message to message of a connection. */
export interface ProgressMessage extends ProgressDelta {
  type: "progress";
  seq: number;
}

/** The worker has no more to report and leaves: the lease ends at once, and nothing becomes of the session. */
export interface DetachMessage {
  type: "detach";
}

/** What the daemon sends. Workers must ignore types and keys that they do not know. */
export type DaemonMessage =
  /** First, once. `epoch` is new with every connection. */
  | { type: "attached"; epoch: number; session: Session }
  /** Every progress message up to `seq` that was not answered by an error is durable. */
  | { type: "ack"; seq: number; revision: number }
  /** Somebody changed the status. What is in flight may still be reported, unless the session was deleted. */
  | { type: "status"; status: Status | "deleted"; reason: string | null }
  /** With `seq`, that progress message was refused, and nothing of it was kept. Without, the connection ends. */
  | { type: "error"; code: ErrorCode; detail: string; seq?: number };

/** Why the daemon closes the connection, as WebSocket close codes. */
export const closeCodes = {
  /** After `detach`. */
  detached: 1000,
  /** The daemon is stopping: come back with your epoch. */
  stopping: 1001,
  /** The worker sent what is no message. */
  invalid: 1008,
  /** A message was over `limits.body`. */
  tooLarge: 1009,
  /** Another connection has the lease. */
  leaseLost: 4001,
  /** The session was deleted. */
  sessionGone: 4002,
} as const;
