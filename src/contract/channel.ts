/**
 * The worker channel: JSON objects, one a line (NDJSON), over the connection of an HTTP request that was
 * upgraded (RFC 9110, section 7.8): `GET /v1/sessions/{id}/attach` with `Upgrade: sessiond-channel/1`. The
 * open connection is the lease. A connection that ends without `detach` is lost. Its worker may reconnect
 * within `worker.reattach_grace` with its token, and send all unacknowledged messages again, because they are
 * idempotent. Errors are reported before the upgrade where possible, as an HTTP problem.
 *
 * A line is UTF-8 and ends with `\n`; a `\r` before it is allowed, and empty lines are ignored. A line of a
 * worker has at most `limits.body` bytes. Lines that are sent together with the request are taken. A worker
 * that closes its sending side is answered all that it sent, and then counts as lost.
 *
 * A worker may attach to a session of any status. If the session is not running, a `status` message follows
 * `attached`. If a worker is lost and does not reconnect in time, `worker.on_lost` applies to its session if
 * that is still running.
 *
 * A session has one worker, or any number of shared ones (`attach?shared=true`). A shared worker works on the
 * files that it has claimed.
 */
import { z } from "zod";
import type { ErrorCode } from "../error.ts";
import { plainNumber } from "../json/exact-number.ts";
import type { ProgressDelta } from "../session/command.ts";
import {
  fileListSchema,
  jsonObjectSchema,
  type Session,
  type SessionSummary,
  type Status,
} from "../session/session.ts";
import { flag } from "./requests.ts";

export const attachPath = "/v1/sessions/{id}/attach";

/** What a worker asks for in the header `Upgrade`, and what the daemon answers there. */
export const channelProtocol = "sessiond-channel/1";

/** The request header in which a worker that reconnects shows the token of its lease. */
export const tokenHeader = "sessiond-token";

export const attachQuery = z.strictObject({
  worker: z.string().min(1).max(200).optional().describe("a name of the worker, for people"),
  process: z
    .string()
    .regex(/^[0-9a-f-]{36}\/\d{1,20}\/\d{1,10}\/\d{1,20}$/, "must be BOOT/NAMESPACE/PID/START")
    .optional()
    .describe("the worker's process: once it has ended, nobody waits for the worker to reconnect"),
  shared: flag.optional().describe("whether other shared workers may be attached at the same time"),
});
export type AttachQuery = z.output<typeof attachQuery>;

/** The most files that a worker may ask for in one claim. */
export const maxClaim = 10_000;

const seq = z.preprocess(plainNumber, z.int().min(1).max(Number.MAX_SAFE_INTEGER));

/** What a worker may send. */
export const workerMessageSchema = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("progress"),
    seq,
    processed: fileListSchema.optional(),
    results: jsonObjectSchema.optional(),
    added: fileListSchema.optional(),
  }),
  z.strictObject({
    type: z.literal("claim"),
    seq,
    count: z.preprocess(plainNumber, z.int().min(1).max(maxClaim)),
  }),
  z.strictObject({ type: z.literal("release"), seq, files: fileListSchema }),
  z.strictObject({ type: z.literal("detach") }),
]);

export type WorkerMessage = ProgressMessage | ClaimMessage | ReleaseMessage | DetachMessage;

/**
 * A report of progress. Many may be in flight; the daemon stops reading while too many wait for an answer.
 * `seq` must grow over all messages of a connection. An invalid message with a valid `seq` is answered by an
 * error with that `seq`. Any other invalid message ends the connection.
 */
export interface ProgressMessage extends ProgressDelta {
  type: "progress";
  seq: number;
}

/**
 * A shared worker asks for up to `count` files. The answer is `claimed`, as soon as a file is free. The
 * claims of a connection are answered in order.
 */
export interface ClaimMessage {
  type: "claim";
  seq: number;
  count: number;
}

/** A shared worker gives back files that it has claimed and not processed. Acknowledged like a report. */
export interface ReleaseMessage {
  type: "release";
  seq: number;
  files: readonly string[];
}

/**
 * The worker leaves. The lease ends when all earlier messages are answered. The session keeps its status.
 */
export interface DetachMessage {
  type: "detach";
}

/** What the daemon sends. Workers must ignore unknown types and keys. */
export type DaemonMessage =
  | AttachedMessage
  | SharedAttachedMessage
  /**
   * Every `progress` and `release` up to `seq` is durable, except for those that were answered by an error.
   * It says nothing of claims: it may overtake a claim that waits.
   */
  | { type: "ack"; seq: number; revision: number }
  /**
   * Answers the claim `seq`, with at least one file unless no file is pending or the session is not running
   * any more. `left` is the number of pending files, whoever has claimed them; `workers` that of the shared
   * workers.
   */
  | { type: "claimed"; seq: number; files: readonly string[]; left: number; workers: number }
  /** The session's new status. Unless the session was deleted, work in flight may still be reported. */
  | { type: "status"; status: Status | "deleted"; reason: string | null }
  /**
   * The message `seq` was refused. The error comes before any ack of a later message. Nothing of the message
   * was stored, unless `outcome` is `unknown`.
   */
  | { type: "error"; code: ErrorCode; detail: string; seq: number; outcome?: "unknown" }
  | ClosingMessage;

/**
 * The first message, sent once. Every connection has a new `epoch`, which is public. The `token` proves who
 * reconnects. It stays the same for the whole lease and is for the worker alone.
 */
export interface AttachedMessage {
  type: "attached";
  epoch: number;
  token: string;
  session: Session;
}

/** The first message to a shared worker. `claimed` are the files that its lease has claimed, in order. */
export interface SharedAttachedMessage {
  type: "attached";
  epoch: number;
  token: string;
  summary: SessionSummary;
  claimed: readonly string[];
}

/**
 * The last message before the daemon ends the connection. A worker that has closed its sending side is sent
 * none.
 */
export interface ClosingMessage {
  type: "closing";
  code: ClosingCode;
  detail: string;
}

/**
 * Why the daemon ends a connection.
 *
 * - `detached`: the worker has sent `detach`. This is no error.
 * - `shutting_down`: the daemon is stopping. The worker should reconnect with its token and send unanswered
 *   messages again.
 * - `invalid_request`: the worker has sent something that is not a message.
 * - `payload_too_large`: a line was longer than `limits.body`, or had more values than `limits.values`.
 * - `lease_lost`: the lease has ended, or another connection of the same worker has it.
 * - `session_deleted`: the session was deleted.
 * - `internal`: a fault of the daemon. The worker may reconnect.
 */
export const closingCodes = [
  "detached",
  "shutting_down",
  "invalid_request",
  "payload_too_large",
  "lease_lost",
  "session_deleted",
  "internal",
] as const;
export type ClosingCode = (typeof closingCodes)[number];
