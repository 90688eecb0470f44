/**
 * The control API, one row per endpoint: {@link routes} are asked and answered, {@link channels} become a channel, and
 * {@link streams} are answered for as long as both sides wish. The server's routes, the client's calls, the OpenAPI document and the contract test all derive from this table.
 */
import { z } from "zod";
import type { Checkpoint, LabelChanges, ProgressDelta } from "../session/command.ts";
import {
  configSchema,
  fileListSchema,
  jsonObjectSchema,
  labelsSchema,
  type Session,
  sessionIdSchema,
  sessionSchema,
  statuses,
} from "../session/session.ts";
import { attachPath, attachQuery } from "./channel.ts";
import type { Channel, Endpoint, Route, Stream } from "./endpoint.ts";
import { eventsPath, eventsQuery, streamEventSchema } from "./events.ts";
import * as reply from "./replies.ts";
import {
  type CreateSessionBody,
  checked,
  durationCheck,
  durationText,
  flag,
  labelChanges,
  labelPair,
  pageQuery,
  type RunCleanupBody,
  reason,
  repeatable,
} from "./requests.ts";

export type { Channel, CreateSessionBody, Endpoint, Route, RunCleanupBody, Stream };

const oneSession = "/v1/sessions/{id}";

export const routes = {
  createSession: {
    method: "POST",
    path: "/v1/sessions",
    summary: "Create a session",
    body: checked<CreateSessionBody>(
      z.strictObject({
        session_id: sessionIdSchema.optional(),
        config: configSchema,
        pending_files: fileListSchema.optional(),
        labels: labelsSchema.optional(),
        pinned: z.boolean().optional(),
      }),
    ),
    reply: reply.sessionReply,
    status: 201,
  },
  listSessions: {
    method: "GET",
    path: "/v1/sessions",
    summary: "List sessions, newest checkpoint first",
    query: z.strictObject({
      status: repeatable(z.enum(statuses)),
      label: repeatable(labelPair),
      q: z.string().optional().describe("text that the id, the target path or the status reason contains"),
      older_than: durationText.optional().describe("no activity for this long, such as 30d"),
      pinned: flag.optional(),
      sort: z.enum(["checkpoint_time", "created_time", "session_id"]).default("checkpoint_time"),
      ...pageQuery,
    }),
    reply: reply.listReply,
  },
  getStats: {
    method: "GET",
    path: "/v1/stats",
    summary: "Count sessions by status",
    reply: reply.statsReply,
  },
  getSession: {
    method: "GET",
    path: oneSession,
    summary: "The whole session; the ETag is its revision",
    reply: reply.sessionReply,
  },
  getSummary: {
    method: "GET",
    path: `${oneSession}/summary`,
    summary: "Counts, progress, worker and health of a session",
    reply: reply.summaryAndHealthReply,
  },
  listFiles: {
    method: "GET",
    path: `${oneSession}/files`,
    summary: "The files of a session, a page at a time",
    query: z.strictObject({ state: z.enum(["pending", "processed"]).default("pending"), ...pageQuery }),
    reply: reply.filesReply,
  },
  listResults: {
    method: "GET",
    path: `${oneSession}/results`,
    summary: "The results of a session, a page at a time",
    query: z.strictObject(pageQuery),
    reply: reply.resultsReply,
  },
  saveSession: {
    method: "PUT",
    path: oneSession,
    summary: "Replace the whole document, or create it",
    body: checked<Session>(sessionSchema),
    headers: ["if-match", "if-none-match"],
    reply: reply.summaryReply,
  },
  checkpointSession: {
    method: "POST",
    path: `${oneSession}/checkpoint`,
    summary: "Replace both file lists and merge results",
    body: checked<Checkpoint>(
      z.strictObject({
        processed_files: fileListSchema,
        pending_files: fileListSchema,
        partial_results: jsonObjectSchema.optional(),
      }),
    ),
    headers: ["if-match"],
    reply: reply.progressReply,
  },
  reportProgress: {
    method: "POST",
    path: `${oneSession}/progress`,
    summary: "Report files that are done and files that were found",
    body: checked<ProgressDelta>(
      z.strictObject({
        processed: fileListSchema.optional(),
        results: jsonObjectSchema.optional(),
        added: fileListSchema.optional(),
      }),
    ),
    reply: reply.progressReply,
  },
  pauseSession: {
    method: "POST",
    path: `${oneSession}/pause`,
    summary: "Pause a running session",
    body: reason,
    reply: reply.summaryReply,
  },
  resumeSession: {
    method: "POST",
    path: `${oneSession}/resume`,
    summary: "Resume a paused session",
    body: reason,
    reply: reply.sessionReply,
  },
  completeSession: {
    method: "POST",
    path: `${oneSession}/complete`,
    summary: "Mark a session as completed",
    body: reason,
    reply: reply.summaryReply,
  },
  failSession: {
    method: "POST",
    path: `${oneSession}/fail`,
    summary: "Mark a session as failed",
    body: reason,
    reply: reply.summaryReply,
  },
  reopenSession: {
    method: "POST",
    path: `${oneSession}/reopen`,
    summary: "Take a completed or failed session back to running",
    body: reason,
    reply: reply.summaryReply,
  },
  editSession: {
    method: "PATCH",
    path: oneSession,
    summary: "Set labels, or pin against cleanup",
    body: checked<{ labels?: LabelChanges | undefined; pinned?: boolean | undefined }>(
      z.strictObject({ labels: labelChanges.optional(), pinned: z.boolean().optional() }),
    ),
    headers: ["if-match"],
    reply: reply.summaryReply,
  },
  deleteSession: {
    method: "DELETE",
    path: oneSession,
    summary: "Move a session to the trash, or purge it",
    query: z.strictObject({
      purge: flag.default(false),
      force: flag.default(false).describe("also when a worker is attached"),
    }),
    reply: reply.removedReply,
  },
  createBackup: {
    method: "POST",
    path: `${oneSession}/backup`,
    summary: "Copy the document as it is now",
    body: {
      schema: z.strictObject({ directory: z.string().min(1).optional() }) as z.ZodType<{
        directory?: string | undefined;
      }>,
      optional: true,
    },
    reply: reply.backupReply,
    status: 201,
  },
  listBackups: {
    method: "GET",
    path: `${oneSession}/backups`,
    summary: "The backups of a session, newest first",
    reply: reply.backupsReply,
  },
  restoreBackup: {
    method: "POST",
    path: `${oneSession}/restore`,
    summary: "Put a backup back, after a backup of what is there",
    body: checked<{ backup: string }>(z.strictObject({ backup: z.string().min(1) })),
    reply: reply.restoreReply,
  },
  validateSession: {
    method: "POST",
    path: `${oneSession}/validate`,
    summary: "Diagnose a session",
    reply: reply.validationReply,
  },
  recoverSession: {
    method: "POST",
    path: `${oneSession}/recover`,
    summary: "Repair a session after a backup; move an unreadable one to quarantine",
    reply: reply.recoveryReply,
  },
  getCleanup: {
    method: "GET",
    path: "/v1/cleanup",
    summary: "Cleanup jobs, their last and next runs",
    reply: reply.schedulesReply,
  },
  runCleanup: {
    method: "POST",
    path: "/v1/cleanup/{policy}",
    summary: "Run a cleanup policy now, or see what it would do",
    body: {
      schema: z.strictObject({
        dry_run: z.boolean().optional(),
        keep_recent: z.int().min(0).optional(),
        max_age: durationCheck.optional(),
        approve: z.string().min(1).optional(),
      }) as z.ZodType<RunCleanupBody>,
      optional: true,
    },
    reply: reply.cleanupReply,
  },
  getCleanupHistory: {
    method: "GET",
    path: "/v1/cleanup/history",
    summary: "What cleanup removed, newest first",
    query: z.strictObject({ ...pageQuery, session_id: z.string().optional() }),
    reply: reply.historyReply,
  },
  listTrash: {
    method: "GET",
    path: "/v1/trash",
    summary: "Removed sessions that can come back, newest first",
    reply: reply.trashReply,
  },
  restoreTrash: {
    method: "POST",
    path: "/v1/trash/{id}/restore",
    summary: "Bring a removed session back",
    body: {
      schema: z.strictObject({ trash_id: z.string().min(1).optional() }) as z.ZodType<{
        trash_id?: string | undefined;
      }>,
      optional: true,
    },
    reply: reply.summaryReply,
  },
  emptyTrash: {
    method: "DELETE",
    path: "/v1/trash",
    summary: "Delete what is in the trash for good",
    query: z.strictObject({ older_than: durationText.optional() }),
    reply: reply.emptiedReply,
  },
  getInfo: { method: "GET", path: "/v1/info", summary: "Facts about the daemon", reply: reply.infoReply },
  getHealth: {
    method: "GET",
    path: "/v1/health",
    summary: "What is wrong, if anything",
    reply: reply.healthReply,
  },
  reload: {
    method: "POST",
    path: "/v1/reload",
    summary: "Read the configuration file again",
    reply: reply.reloadReply,
  },
  getOpenApi: {
    method: "GET",
    path: "/v1/openapi.json",
    summary: "This contract as OpenAPI 3.1",
    reply: jsonObjectSchema,
  },
} as const satisfies Record<string, Route>;

export const channels = {
  attachWorker: {
    method: "GET",
    path: attachPath,
    summary: "Attach a worker to a session, over a WebSocket that is its lease while it is open",
    query: attachQuery,
    status: 101,
  },
} as const satisfies Record<string, Channel>;

export const streams = {
  watchEvents: {
    method: "GET",
    path: eventsPath,
    summary: "Follow what happens to sessions and workers",
    query: eventsQuery,
    headers: ["last-event-id"],
    event: streamEventSchema,
  },
} as const satisfies Record<string, Stream>;

/** Every row, for what concerns them all. */
export const endpoints: Readonly<Record<string, Endpoint>> = { ...routes, ...channels, ...streams };

export type Routes = typeof routes;
export type RouteName = keyof Routes;
export type Query<Name extends RouteName> = Routes[Name] extends { query: infer Schema extends z.ZodType }
  ? z.output<Schema>
  : undefined;
export type QueryKeys<Name extends RouteName> = Routes[Name] extends {
  query: infer Schema extends z.ZodObject;
}
  ? keyof Schema["shape"]
  : never;
export type Body<Name extends RouteName> = Routes[Name] extends {
  body: { schema: infer Schema extends z.ZodType };
}
  ? z.output<Schema>
  : undefined;
export type Reply<Name extends RouteName> = z.output<Routes[Name]["reply"]>;
