/** The schemas of replies. Clients must ignore unknown keys, because replies may gain keys. */
import { z } from "zod";
import type { JsonValue } from "../json/exact-json.ts";
import {
  jsonObjectSchema,
  labelsSchema,
  type Session,
  type SessionSummary,
  sessionSchema,
  statuses,
} from "../session/session.ts";
import { workersOfSession } from "./worker-replies.ts";

export * from "./daemon-replies.ts";
export * from "./worker-replies.ts";

export const policyNames = ["completed", "expired", "failed"] as const;
export type PolicyName = (typeof policyNames)[number];
/** What cleanup does on a schedule: the policies, and emptying the trash. */
export const jobNames = [...policyNames, "trash"] as const;
export type JobName = (typeof jobNames)[number];

export const sessionReply: z.ZodType<Session> = sessionSchema;

const summaryShape = {
  session_id: z.string(),
  status: z.enum(statuses),
  status_reason: z.string().nullable(),
  target_path: z.string(),
  checkpoint_time: z.string(),
  created_time: z.string().nullable(),
  generation: z.string().nullable(),
  revision: z.int(),
  labels: labelsSchema,
  pinned: z.boolean(),
  processed_count: z.int(),
  pending_count: z.int(),
  bytes: z.int().describe("size of the stored document"),
};

export const summaryReply: z.ZodType<SessionSummary> = z.object(summaryShape);

const isPresent = (value: unknown) => value !== undefined;

const finding = z.object({
  code: z
    .string()
    .describe(
      "duplicate_file, processed_and_pending, unfinished, no_file_patterns, odd_target_path, odd_run, or a code that " +
        "only this kind of store has",
    ),
  message: z.string(),
  repairable: z.boolean().describe("whether recover can repair it"),
});

export const summaryAndHealthReply = z.object({
  ...summaryShape,
  progress: z
    .number()
    .min(0)
    .max(1)
    .nullable()
    .describe("processed files as a share of all files; null if there are no files"),
  workers: workersOfSession,
  healthy: z.boolean(),
  findings: z.array(finding),
  run: z.custom<JsonValue>(isPresent).describe("what sessionctl run remembers; null if nothing"),
});

export const listReply = z.object({
  sessions: z.array(z.object({ ...summaryShape, workers: workersOfSession })),
  next_cursor: z.string().nullable().describe("pass as cursor for the next page; null on the last"),
  total: z
    .int()
    .nullable()
    .describe("sessions that match, on all pages; null if a store on PostgreSQL has too many to count"),
});

export const statsReply = z.object({
  total: z.int(),
  running: z.int(),
  paused: z.int(),
  completed: z.int(),
  failed: z.int(),
});

export const filesReply = z.object({
  files: z.array(z.string()),
  next_cursor: z.string().nullable(),
  total: z.int(),
});

export const resultsReply = z.object({
  results: jsonObjectSchema,
  next_cursor: z.string().nullable(),
  total: z.int(),
});

export const progressReply = z.object({
  status: z.enum(statuses),
  revision: z.int(),
  processed_count: z.int(),
  pending_count: z.int(),
});

export const removedReply = z.object({
  session_id: z.string(),
  purged: z.boolean(),
  trash_id: z.string().nullable().describe("the id to restore the session by; null if it was purged"),
});

export const backupReply = z.object({
  session_id: z.string(),
  backup: z.string().describe("the name to restore the backup by"),
  location: z.string().describe("where the backup is, for people; in a directory store the path of its file"),
  created_time: z.string(),
  bytes: z.int(),
});

export const backupsReply = z.object({ backups: z.array(backupReply) });

export const restoreReply = z.object({
  session: summaryReply,
  previous: z.string().nullable().describe("the backup that was made of the replaced session"),
});

export const validationReply = z.object({
  session_id: z.string(),
  valid: z.boolean(),
  findings: z.array(finding),
});

export const recoveryReply = z.object({
  session_id: z.string(),
  recovered: z.boolean().describe("whether the session is now readable and consistent"),
  actions: z.array(z.string()).describe("what was done, in words"),
  backup: z.string().nullable().describe("the backup that was made before the repair"),
  quarantined: z
    .string()
    .nullable()
    .describe("where an unreadable document was moved; null if that is the trash"),
});

const decision = z.object({
  session_id: z.string(),
  action: z.enum(["keep", "remove"]),
  reason: z.string().describe("a stable reason code"),
  status: z.enum(statuses).nullable().describe("null in the trash, if it is not known"),
  checkpoint_time: z.string().nullable().describe("null in the trash"),
  bytes: z.int(),
  trash_id: z.string().optional().describe("in the trash, where a session may be several times"),
  removed_time: z.string().optional().describe("in the trash, the time of the removal"),
});

export const cleanupReply = z.object({
  policy: z.enum(jobNames),
  rule: z.string().describe("the policy as a sentence"),
  dry_run: z.boolean(),
  plan_id: z.string().describe("identifies exactly this list of removals, for approve"),
  trigger: z.enum(["request", "schedule", "catch_up"]),
  outcome: z
    .enum(["planned", "done", "waiting_approval", "stopped"])
    .describe(
      "planned: a dry run; waiting_approval: nothing was removed, the plan waits; stopped: ended early",
    ),
  started_time: z.string(),
  duration_ms: z.number(),
  total: z.int(),
  kept: z.int(),
  removed: z.int().describe("the number of sessions removed, or, in a dry run, to be removed"),
  bytes: z.int().describe("the size of the removed sessions"),
  decisions: z
    .array(decision)
    .describe(
      "every session once, but of very many sessions in a database not all that are kept; " +
        "for trash every entry of the trash",
    ),
  failures: z.array(z.object({ session_id: z.string(), code: z.string(), message: z.string() })),
  warnings: z.array(z.string()),
});

export const lastRunSchema = z.object({
  time: z.string(),
  trigger: z.enum(["request", "schedule", "catch_up"]),
  outcome: z.string(),
  removed: z.int(),
  kept: z.int(),
  duration_ms: z.number(),
});

const scheduleEntry = z.object({
  job: z.enum(jobNames),
  enabled: z.boolean(),
  rule: z.string(),
  schedule: z.string(),
  timezone: z.string(),
  due: z.int().optional().describe("how many sessions it would remove if it ran now; if `due` was asked for"),
  next_run: z.string().nullable(),
  last_run: lastRunSchema.nullable(),
  waiting: z
    .object({ plan_id: z.string(), since: z.string(), remove: z.int(), total: z.int(), why: z.string() })
    .nullable()
    .describe("a plan over a limit, or after the clock was set, which waits for approval"),
});

export const schedulesReply = z.object({ jobs: z.array(scheduleEntry) });

export const historyReply = z.object({
  entries: z.array(
    z.object({
      time: z.string(),
      job: z.enum(jobNames),
      rule: z.string(),
      reason: z.string(),
      trigger: z.enum(["request", "schedule", "catch_up"]),
      plan_id: z.string(),
      session_id: z.string(),
      status: z.enum(statuses).nullable(),
      checkpoint_time: z.string().nullable(),
      bytes: z.int(),
      trash_id: z.string().nullable(),
    }),
  ),
  next_cursor: z.string().nullable(),
});

export const trashEntryReply = z.object({
  trash_id: z.string(),
  session_id: z.string(),
  status: z.enum(statuses).nullable(),
  removed_time: z.string(),
  reason: z.string(),
  bytes: z.int(),
});

export const trashReply = z.object({ entries: z.array(trashEntryReply), total: z.int(), bytes: z.int() });
export const emptiedReply = z.object({ removed: z.int(), bytes: z.int() });

export type SessionSummaryAndHealth = z.infer<typeof summaryAndHealthReply>;
export type SessionPage = z.infer<typeof listReply>;
export type ListedSession = SessionPage["sessions"][number];
/** A page without workers, as the store returns it. */
export type SummaryPage = Omit<SessionPage, "sessions"> & { sessions: SessionSummary[] };
export type Stats = z.infer<typeof statsReply>;
export type FilePage = z.infer<typeof filesReply>;
export type ResultPage = z.infer<typeof resultsReply>;
export type ProgressReply = z.infer<typeof progressReply>;
export type Removed = z.infer<typeof removedReply>;
export type Backup = z.infer<typeof backupReply>;
export type Restored = z.infer<typeof restoreReply>;
export type Validation = z.infer<typeof validationReply>;
export type Recovery = z.infer<typeof recoveryReply>;
export type Decision = z.infer<typeof decision>;
export type CleanupResult = z.infer<typeof cleanupReply>;
export type ScheduleEntry = z.infer<typeof scheduleEntry>;
export type Schedules = z.infer<typeof schedulesReply>;
export type HistoryPage = z.infer<typeof historyReply>;
export type HistoryEntry = HistoryPage["entries"][number];
export type TrashEntry = z.infer<typeof trashEntryReply>;
export type TrashListing = z.infer<typeof trashReply>;
export type Emptied = z.infer<typeof emptiedReply>;
