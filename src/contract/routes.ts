/**
 * The route table of the control API, one row per endpoint: {@link routes} have one reply, {@link upgrades}
 * switch to another protocol, and {@link streams} send events. The server's routes, the client's calls, the
 * OpenAPI document and the contract test all derive from this table.
 *
 * The room contract/ owns what client and server agree on: routes, messages, events, error codes. It is
 * pure, and knows neither side.
 */
import { z } from "zod";
import { plainNumber } from "../json/exact-number.ts";
import { labelLimits } from "../session/additions.ts";
import type { Checkpoint, Edit, ProgressDelta } from "../session/command.ts";
import {
  configSchema,
  fileListSchema,
  jsonObjectSchema,
  labelsSchema,
  type Session,
  sessionIdSchema,
  sessionSchema,
  statuses,
  timestampSchema,
} from "../session/session.ts";
import { attachPath, attachQuery, tokenHeader } from "./channel.ts";
import type { Endpoint, Route, Stream, Upgrade } from "./endpoint.ts";
import { eventsPath, eventsQuery, streamEventSchema } from "./events.ts";
import * as reply from "./replies.ts";
import { isProgressDelta } from "./report-check.ts";
import {
  type CreateSessionBody,
  checked,
  durationCheck,
  durationText,
  eachFileOnce,
  filesOnce,
  flag,
  labelChanges,
  labelPair,
  pageQuery,
  type RequeueBody,
  type RunCleanupBody,
  reason,
  repeatable,
  runChanges,
  type StopBody,
} from "./requests.ts";

export type { CreateSessionBody, Endpoint, RequeueBody, Route, RunCleanupBody, StopBody, Stream, Upgrade };

const { count, key, value } = labelLimits;
const labelsMeaning =
  `at most ${count} labels, with keys of up to ${key} and values of up to ${value} characters, except for ` +
  "those that are stored already";
const runMeaning = "what sessionctl run remembers: command, directory and options; unknown keys are kept";

const oneSession = "/v1/sessions/{id}";

export const routes = {
  createSession: {
    method: "POST",
    path: "/v1/sessions",
    summary: "Create a session",
    body: eachFileOnce<CreateSessionBody>(
      z.strictObject({
        session_id: sessionIdSchema.optional(),
        config: configSchema,
        pending_files: filesOnce.optional(),
        labels: labelsSchema.describe(labelsMeaning).optional(),
        pinned: z.boolean().optional(),
        run: jsonObjectSchema.describe(runMeaning).optional(),
      }),
      ({ pending_files = [] }) => ({ pending_files }),
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
    summary: "The whole session; the ETag names its state",
    headers: ["if-match", "if-none-match"],
    reply: reply.sessionReply,
  },
  getSummary: {
    method: "GET",
    path: `${oneSession}/summary`,
    summary: "Counts, progress, workers and health of a session",
    reply: reply.summaryAndHealthReply,
  },
  listFiles: {
    method: "GET",
    path: `${oneSession}/files`,
    summary: "The files of a session, page by page",
    query: z.strictObject({
      state: z
        .enum(["pending", "processed", "failed"])
        .default("pending")
        .describe("failed files are the processed ones whose result says that they failed"),
      ...pageQuery,
    }),
    reply: reply.filesReply,
  },
  listResults: {
    method: "GET",
    path: `${oneSession}/results`,
    summary: "The results of a session, page by page",
    query: z.strictObject({
      failed: flag.default(false).describe("only the results of failed files"),
      ...pageQuery,
    }),
    reply: reply.resultsReply,
  },
  saveSession: {
    method: "PUT",
    path: oneSession,
    summary: "Replace the whole document, or create it",
    body: eachFileOnce<Session>(
      sessionSchema.extend({
        processed_files: filesOnce,
        pending_files: filesOnce,
        labels: labelsSchema.describe(labelsMeaning).optional(),
      }),
      ({ processed_files, pending_files }) => ({ processed_files, pending_files }),
    ),
    headers: ["if-match", "if-none-match"],
    reply: reply.summaryReply,
  },
  checkpointSession: {
    method: "POST",
    path: `${oneSession}/checkpoint`,
    summary: "Replace both file lists and merge results",
    body: eachFileOnce<Checkpoint>(
      z.strictObject({
        processed_files: filesOnce,
        pending_files: filesOnce,
        partial_results: jsonObjectSchema.optional(),
      }),
      ({ processed_files, pending_files }) => ({ processed_files, pending_files }),
    ),
    headers: ["if-match", "if-none-match"],
    reply: reply.progressReply,
  },
  reportProgress: {
    method: "POST",
    path: `${oneSession}/progress`,
    summary: "Report progress: processed files, their results, and newly found files",
    body: {
      ...checked<ProgressDelta>(
        z.strictObject({
          processed: fileListSchema.optional(),
          results: jsonObjectSchema.optional(),
          added: fileListSchema.optional(),
        }),
      ),
      isGood: isProgressDelta,
    },
    reply: reply.progressReply,
  },
  requeueFiles: {
    method: "POST",
    path: `${oneSession}/requeue`,
    summary: "Make processed files pending again, at the end, in this order; their results stay",
    body: checked<RequeueBody>(
      z.strictObject({
        files: fileListSchema,
        unless_finished_since: timestampSchema
          .describe(
            "leaves alone what is not processed, or has a result with a finished_time not before this",
          )
          .optional(),
      }),
    ),
    reply: reply.progressReply,
  },
  evictWorker: {
    method: "DELETE",
    path: `${oneSession}/workers/{epoch}`,
    summary: "End the lease of a worker at once; others can claim the files that it holds",
    reply: reply.evictedReply,
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
    summary: "Set labels or what a run remembers, or protect a session from cleanup",
    body: checked<Edit>(
      z.strictObject({
        labels: labelChanges.describe(labelsMeaning).optional(),
        pinned: z.boolean().optional(),
        run: runChanges.describe(runMeaning).optional(),
      }),
    ),
    headers: ["if-match", "if-none-match"],
    reply: reply.summaryReply,
  },
  deleteSession: {
    method: "DELETE",
    path: oneSession,
    summary: "Move a session to the trash, or purge it",
    query: z.strictObject({
      purge: flag.default(false),
      force: flag.default(false).describe("delete the session even if a worker is attached"),
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
    summary: "Restore a backup, after making a backup of the present session",
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
    summary: "Repair a session, after making a backup; move an unreadable one to quarantine or to the trash",
    reply: reply.recoveryReply,
  },
  getCleanup: {
    method: "GET",
    path: "/v1/cleanup",
    summary: "The cleanup jobs with their last and next runs",
    query: z.strictObject({ due: flag.optional() }),
    reply: reply.schedulesReply,
  },
  runCleanup: {
    method: "POST",
    path: "/v1/cleanup/{policy}",
    summary: "Run a cleanup policy now, or the cleanup of the trash, or show what it would do",
    body: {
      schema: z.strictObject({
        dry_run: z.boolean().optional(),
        keep_recent: z.preprocess(plainNumber, z.int().min(0)).optional(),
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
    summary: "The sessions that cleanup has removed, newest first",
    query: z.strictObject({ ...pageQuery, session_id: z.string().optional() }),
    reply: reply.historyReply,
  },
  listTrash: {
    method: "GET",
    path: "/v1/trash",
    summary: "The removed sessions that can be restored, newest first",
    reply: reply.trashReply,
  },
  restoreTrash: {
    method: "POST",
    path: "/v1/trash/{id}/restore",
    summary: "Restore a removed session",
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
    summary: "Delete sessions in the trash permanently",
    query: z.strictObject({ older_than: durationText.optional() }),
    reply: reply.emptiedReply,
  },
  getInfo: { method: "GET", path: "/v1/info", summary: "Facts about the daemon", reply: reply.infoReply },
  getHealth: {
    method: "GET",
    path: "/v1/health",
    summary: "The problems that need attention",
    reply: reply.healthReply,
  },
  reload: {
    method: "POST",
    path: "/v1/reload",
    summary: "Reload the configuration file",
    reply: reply.reloadReply,
  },
  stopDaemon: {
    method: "POST",
    path: "/v1/stop",
    summary: "Stop a daemon that was started on demand",
    body: {
      schema: z.strictObject({ force: z.boolean().optional() }) as z.ZodType<StopBody>,
      optional: true,
    },
    reply: reply.stopReply,
  },
  getOpenApi: {
    method: "GET",
    path: "/v1/openapi.json",
    summary: "This contract as OpenAPI 3.1",
    reply: jsonObjectSchema,
  },
} as const satisfies Record<string, Route>;

export const upgrades = {
  attachWorker: {
    method: "GET",
    path: attachPath,
    summary: "Attach a worker to a session; the open connection, with a JSON object a line, is the lease",
    query: attachQuery,
    headers: [tokenHeader],
    status: 101,
  },
} as const satisfies Record<string, Upgrade>;

export const streams = {
  watchEvents: {
    method: "GET",
    path: eventsPath,
    summary: "Follow the changes of sessions and workers",
    query: eventsQuery,
    headers: ["last-event-id"],
    event: streamEventSchema,
  },
} as const satisfies Record<string, Stream>;

/** All rows of the table. */
export const endpoints: Readonly<Record<string, Endpoint>> = { ...routes, ...upgrades, ...streams };

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
