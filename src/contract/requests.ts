/**
 * The schemas of requests. Query values are text, which the schemas convert. Bodies are only checked: the
 * handler gets the body as it was parsed, so that nothing in it is altered.
 */
import { z } from "zod";
import type { LabelChanges } from "../session/command.ts";
import { repeatedFiles } from "../session/repeated-files.ts";
import type { RunChanges, SessionRun } from "../session/run-memory.ts";
import { fileListSchema, jsonObjectSchema, type SessionConfig } from "../session/session.ts";
import { DurationError, parseDuration } from "../time/duration.ts";
import type { Endpoint } from "./endpoint.ts";
import { invalid } from "./wording.ts";

/** A duration such as `30d`, converted to milliseconds. */
export const durationText = z.string().transform((text, context) => {
  try {
    return parseDuration(text);
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    context.addIssue({ code: "custom", message: error.message });
    return z.NEVER;
  }
});

/** The same check for a body, without the conversion. */
export const durationCheck = z
  .string()
  .superRefine((text, context) => {
    const parsed = durationText.safeParse(text);
    if (!parsed.success)
      context.addIssue({ code: "custom", message: parsed.error.issues[0]?.message ?? "bad duration" });
  })
  .meta({ examples: ["30d"] });

export const flag = z.enum(["true", "false"], "must be true or false").transform((text) => text === "true");
export const repeatable = <Item extends z.ZodType<unknown, string>>(item: Item) =>
  z.preprocess(
    (value) => (value === undefined || Array.isArray(value) ? value : [value]),
    z.array(item).optional(),
  );
export const wholeNumber = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d+$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum));
export const pageQuery = { limit: wholeNumber(1, 1000).default(100), cursor: z.string().optional() };

export const labelPair = z
  .string()
  .regex(/^[^=]+=/, "must be key=value")
  .transform((text) => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });

export const labelChanges = z
  .custom<LabelChanges>(
    (value) =>
      jsonObjectSchema.safeParse(value).success &&
      Object.values(value as object).every((label) => label === null || typeof label === "string"),
    "must be an object whose values are strings, or null to remove a label",
  )
  .meta({ type: "object", additionalProperties: { type: ["string", "null"] } });

export const runChanges = z
  .custom<RunChanges>(
    (value) => value === null || jsonObjectSchema.safeParse(value).success,
    "must be an object, in which null removes a key, or null to remove all of them",
  )
  .meta({ type: ["object", "null"], additionalProperties: true });

/** A file list in which each file is named once; {@link eachFileOnce} checks that. */
export const filesOnce = fileListSchema.meta({ uniqueItems: true });

/** A body that names each file once, in all of these lists together. */
export const eachFileOnce = <T>(schema: z.ZodType, lists: (body: T) => FileLists) => ({
  schema: schema as z.ZodType<T>,
  repeated: (body: unknown) => repeatedFiles(lists(body as T)),
});

/** Checks a body that its schema accepts. @throws SessiondError `invalid_request` */
export async function assertEachFileOnce({ body: rule }: Endpoint, body: unknown): Promise<void> {
  const repeated = await rule?.repeated?.(body);
  if (repeated !== undefined && repeated.count > 0) throw invalid("body", repeated.issues, repeated.count);
}

type FileLists = Readonly<Record<string, readonly string[]>>;

export const checked = <T>(schema: z.ZodType): { schema: z.ZodType<T> } => ({
  schema: schema as z.ZodType<T>,
});

export const reason = {
  schema: z.strictObject({ reason: z.string().max(4096).optional() }) as z.ZodType<{
    reason?: string | undefined;
  }>,
  optional: true,
};

export interface CreateSessionBody {
  /** 1–128 characters. Generated if absent. */
  session_id?: string | undefined;
  /** What to analyze and how; unknown keys are kept. */
  config: SessionConfig;
  /** The files to work on, in order, each once. Default: none. */
  pending_files?: readonly string[] | undefined;
  /** At most 64; keys of up to 128 characters (code points), values of up to 1,024. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** Whether the session is protected from cleanup. Default: false. */
  pinned?: boolean | undefined;
  /** What `sessionctl run` is to remember. */
  run?: SessionRun | undefined;
}

export interface RequeueBody {
  /** Processed files, in the order in which they become pending again. */
  files: readonly string[];
  /**
   * ISO 8601. Leaves alone what is not processed, and files whose result has a `finished_time` that is not
   * before this.
   */
  unless_finished_since?: string | undefined;
}

export interface RunCleanupBody {
  /** Plan only, and remove nothing. */
  dry_run?: boolean | undefined;
  /** Replaces the configured number; only for `completed`. */
  keep_recent?: number | undefined;
  /** Replaces the configured duration, such as `30d`; only for `expired` and `failed`. `0` means any age. */
  max_age?: string | undefined;
  /** The `plan_id` of a plan to apply exactly as it was shown. */
  approve?: string | undefined;
}

export interface StopBody {
  /** Stop it although workers are attached to its sessions. */
  force?: boolean | undefined;
}
