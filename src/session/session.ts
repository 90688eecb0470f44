/**
 * Defines what a session is: the document that users and other programs read and write. Schemas check
 * documents and never rebuild them, so that unknown keys and exact values pass through unchanged.
 *
 * The room session/ owns what a session is: its document, its transitions, what a command does, what can be
 * wrong. It is pure: no file, no clock, nobody who asks.
 */
import { z } from "zod";
import { isJsonObject, type JsonObject, type JsonValue } from "../json/exact-json.ts";
import { plainNumber } from "../json/exact-number.ts";
import { parseTimestamp } from "../time/clock.ts";
import type { SessionRun } from "./run-memory.ts";
import { sessionIdProblem } from "./session-id.ts";
import { stringList } from "./string-list.ts";

export const statuses = ["running", "paused", "completed", "failed"] as const;
export type Status = (typeof statuses)[number];

export const analysisDepths = ["quick", "standard", "deep"] as const;

/** Any object. It is passed through unchanged. */
export const jsonObjectSchema = z
  .custom<JsonObject>(isJsonObject, "must be an object")
  .meta({ type: "object", additionalProperties: true });

export const sessionIdSchema = z
  .string()
  .superRefine((id, context) => {
    const problem = sessionIdProblem(id);
    if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
  })
  .meta({ minLength: 1, maxLength: 128 });

export const timestampSchema = z
  .string()
  .refine(
    (text) => parseTimestamp(text) !== undefined,
    "must be ISO 8601 with an offset and at most microseconds, such as 2026-01-02T03:04:05.123456Z",
  )
  .meta({ format: "date-time" });

export const labelsSchema = z
  .custom<Readonly<Record<string, string>>>(
    (value) => isJsonObject(value) && Object.values(value).every((label) => typeof label === "string"),
    "must be an object of strings",
  )
  .meta({ type: "object", additionalProperties: { type: "string" } });

export const fileListSchema = stringList({
  array: "must be an array of file names",
  item: "must be a string",
});

export const configSchema = z.looseObject({
  /** Any text that is not blank; what other programs may refuse is diagnosed. */
  target_path: z.string("must be a string").refine((path) => path.trim() !== "", "must not be blank"),
  file_patterns: stringList()
    .describe("a request needs at least one that is not blank, or none at all for the default")
    .optional(),
  exclude_patterns: stringList().optional(),
  coding_standards: jsonObjectSchema.optional(),
  analysis_depth: z.enum(analysisDepths).optional(),
  enable_parallel: z.boolean().optional(),
});

/** Another program may have written 5.0, which is a whole number as well. */
const revisionSchema = z.preprocess(plainNumber, z.int().min(0));

/**
 * In a document of another program it may be anything, and `diagnose` says so. What a request may bring is
 * for `assertMayAdd` to say.
 */
const storedRunSchema = z
  .custom<JsonValue>((value) => value !== undefined)
  .describe("what sessionctl run remembers: an object with command, directory and options")
  .meta({ type: "object", additionalProperties: true });

export const sessionSchema = z.looseObject({
  session_id: sessionIdSchema,
  status: z.enum(statuses),
  config: configSchema,
  processed_files: fileListSchema,
  pending_files: fileListSchema,
  partial_results: jsonObjectSchema,
  checkpoint_time: timestampSchema,
  created_time: timestampSchema.optional(),
  generation: z.string().optional(),
  revision: revisionSchema.optional(),
  labels: labelsSchema.optional(),
  pinned: z.boolean().optional(),
  status_reason: z.string().nullable().optional(),
  run: storedRunSchema.optional(),
});

/** What a session analyses and how. Keys of your own are kept. */
export interface SessionConfig {
  target_path: string;
  /** At least one that is not blank. Default: the usual patterns for Python, JavaScript and TypeScript. */
  file_patterns?: readonly string[] | undefined;
  exclude_patterns?: readonly string[] | undefined;
  coding_standards?: JsonObject | undefined;
  analysis_depth?: (typeof analysisDepths)[number] | undefined;
  enable_parallel?: boolean | undefined;
  [key: string]: unknown;
}

/** The whole document of a session. Keys of your own are kept. */
export interface Session {
  session_id: string;
  status: Status;
  config: SessionConfig;
  /** Files that are done, in the order in which they were reported. */
  processed_files: readonly string[];
  pending_files: readonly string[];
  /**
   * Any key, any JSON value; `bigint` and `ExactNumber` stand for numbers that JavaScript cannot write so.
   */
  partial_results: JsonObject;
  /** The time of the last activity: ISO 8601 with an offset and up to microseconds, as it was written. */
  checkpoint_time: string;
  created_time?: string | undefined;
  /** New for each creation: tells a session from an earlier session of the same id. */
  generation?: string | undefined;
  /** Grows with every change. */
  revision?: number | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  /** A pinned session is never cleaned up. */
  pinned?: boolean | undefined;
  status_reason?: string | null | undefined;
  /** A {@link SessionRun}, unless another program wrote something else. */
  run?: JsonValue | undefined;
  [key: string]: unknown;
}

/** What is known about a session without reading its document. */
export interface SessionSummary {
  session_id: string;
  status: Status;
  status_reason: string | null;
  target_path: string;
  checkpoint_time: string;
  created_time: string | null;
  generation: string | null;
  revision: number;
  labels: Readonly<Record<string, string>>;
  pinned: boolean;
  processed_count: number;
  pending_count: number;
  /** Size of the stored document in bytes. */
  bytes: number;
}

export const configDefaults = {
  file_patterns: ["*.py", "*.js", "*.ts", "*.tsx", "*.jsx"],
  exclude_patterns: ["node_modules/**", "venv/**", ".git/**", "__pycache__/**"],
  coding_standards: {},
  analysis_depth: "standard",
  enable_parallel: true,
} as const;

export interface NewSession {
  session_id: string;
  config: SessionConfig;
  pending_files?: readonly string[] | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  pinned?: boolean | undefined;
  run?: SessionRun | undefined;
}

/**
 * Creates a running session, with the defaults of its configuration written out. `now` is its creation time.
 * Whether a request may create such a session is for `assertMayAdd` to say.
 */
export function newSession(input: NewSession, generation: string, now: string): Session {
  const { target_path, ...config } = input.config;
  return {
    session_id: input.session_id,
    status: "running",
    config: { target_path, ...configDefaults, ...config },
    processed_files: [],
    pending_files: input.pending_files ?? [],
    partial_results: {},
    checkpoint_time: now,
    created_time: now,
    generation,
    revision: 1,
    ...(input.labels === undefined ? {} : { labels: input.labels }),
    ...(input.pinned === undefined ? {} : { pinned: input.pinned }),
    ...(input.run === undefined ? {} : { run: input.run as JsonObject }),
  };
}

/** Whether two sessions of one id are not the same one. A session without a generation may be any. */
export function isOtherGeneration(one: string | null, another: string | null): boolean {
  return one !== null && another !== null && one !== another;
}

/** Far below the largest exact integer, 2^53 - 1, so that a revision can always grow by one. */
const maxRevision = 2 ** 52;

/**
 * The revision in a document that another program may have written; 1 if it is missing, or no number from
 * which revisions can be counted.
 */
export function writtenRevision(session: Session): number {
  const revision = Number(session.revision);
  return revision >= 1 && revision <= maxRevision ? revision : 1;
}

/** The session with a revision to count with, if another program has written one such as 5.0. */
export function withPlainRevision(session: Session): Session {
  return typeof session.revision === "object" ? { ...session, revision: Number(session.revision) } : session;
}

/** The summary of a session; `bytes` is the size of the stored document. */
export function summarize(session: Session, revision: number, bytes: number): SessionSummary {
  return {
    session_id: session.session_id,
    status: session.status,
    status_reason: session.status_reason ?? null,
    target_path: session.config.target_path,
    checkpoint_time: session.checkpoint_time,
    created_time: session.created_time ?? null,
    generation: session.generation ?? null,
    revision,
    labels: session.labels ?? {},
    pinned: session.pinned ?? false,
    processed_count: session.processed_files.length,
    pending_count: session.pending_files.length,
    bytes,
  };
}

export type { JsonObject, JsonValue };
