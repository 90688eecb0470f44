import type { z } from "zod";
import {
  choiceOption,
  countOption,
  durationOption,
  section,
  shareOption,
  switchOption,
  textOption,
} from "../options/kinds.ts";
import { cronProblem } from "./schedule.ts";

const longestAge = "36500d";

function cronOption() {
  return textOption('five cron fields in quotes, such as "0 3 * * *"', cronProblem);
}

function timezoneProblem(zone: string): string | undefined {
  try {
    // Intl also takes offsets such as +02:00, which no daylight saving time is known for.
    if (/^[A-Za-z]/.test(zone)) {
      new Intl.DateTimeFormat("en", { timeZone: zone });
      return undefined;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return `${JSON.stringify(zone)} is not a time zone; write an IANA name, such as UTC or Europe/Berlin`;
}

const schedule = "When it runs: minute, hour, day of month, month, day of week, in cleanup.timezone.";

const completedSchema = section({
  enabled: switchOption().prefault(true).describe("Whether this policy runs on its schedule."),
  schedule: cronOption()
    .prefault("0 3 * * *")
    .describe(schedule)
    .meta({ examples: ["0 3 * * *"] }),
  keep_recent: countOption(0, 1_000_000)
    .prefault(10)
    .describe(
      "How many completed sessions are kept, those with the newest checkpoints; 0 removes all of them.",
    ),
}).transform((written) => ({
  enabled: written.enabled,
  schedule: written.schedule,
  keepRecent: written.keep_recent,
}));

const expiredSchema = section({
  enabled: switchOption().prefault(true).describe("Whether this policy runs on its schedule."),
  schedule: cronOption()
    .prefault("30 3 * * *")
    .describe(schedule)
    .meta({ examples: ["30 3 * * *"] }),
  max_age: durationOption("1s", longestAge)
    .prefault("30d")
    .describe(
      "How long a session, whatever its status, may go without activity before it is removed. Not 0: that would remove sessions while they run.",
    ),
}).transform((written) => ({
  enabled: written.enabled,
  schedule: written.schedule,
  maxAgeMs: written.max_age,
}));

const failedSchema = section({
  enabled: switchOption().prefault(true).describe("Whether this policy runs on its schedule."),
  schedule: cronOption()
    .prefault("0 4 * * *")
    .describe(schedule)
    .meta({ examples: ["0 4 * * *"] }),
  max_age: durationOption("0", longestAge)
    .prefault("7d")
    .describe(
      "How long after its last activity a failed session is removed; 0 removes every failed session.",
    ),
}).transform((written) => ({
  enabled: written.enabled,
  schedule: written.schedule,
  maxAgeMs: written.max_age,
}));

/** The `cleanup` section: what is removed, when, and what holds a pass back. */
export const cleanupSchema = section({
  timezone: textOption("an IANA time zone, such as UTC or Europe/Berlin", timezoneProblem)
    .prefault("UTC")
    .describe("The IANA time zone of every schedule, that of the trash included.")
    .meta({ examples: ["UTC", "Europe/Berlin"] }),
  on_missed: choiceOption(["run_once", "skip"])
    .prefault("run_once")
    .describe(
      "What becomes of runs that fell due while the daemon was not running: run_once makes up for them with one run at start, skip waits for the next.",
    ),
  max_delete_ratio: shareOption()
    .prefault(0.5)
    .describe(
      "The largest share of all sessions that a scheduled run may remove. Above it, and above 10 sessions, nothing is removed until somebody approves that plan. 1 is no limit.",
    ),
  max_delete_count: countOption(1, 1_000_000_000)
    .optional()
    .describe(
      "The largest number of sessions that a scheduled run may remove; beyond it the plan waits for approval as above. Left out, there is no such limit.",
    )
    .meta({ examples: [1000] }),
  completed: completedSchema.prefault({}).describe("Keeps the most recent completed sessions."),
  expired: expiredSchema.prefault({}).describe("Removes sessions that saw no activity for long."),
  failed: failedSchema.prefault({}).describe("Removes failed sessions."),
}).transform(({ max_delete_count, ...written }) => ({
  timezone: written.timezone,
  onMissed: written.on_missed,
  maxDeleteRatio: written.max_delete_ratio,
  ...(max_delete_count === undefined ? {} : { maxDeleteCount: max_delete_count }),
  completed: written.completed,
  expired: written.expired,
  failed: written.failed,
}));

/** The `trash` section: how long a removal can be undone. */
export const trashSchema = section({
  enabled: switchOption()
    .prefault(true)
    .describe("Whether the trash is emptied on its schedule. If not, it keeps everything until told."),
  retention: durationOption("0", longestAge)
    .prefault("7d")
    .describe(
      "How long a removed session stays in the trash and can come back; 0 empties all of it at each run.",
    ),
  schedule: cronOption()
    .prefault("30 4 * * *")
    .describe("When the trash is emptied of what is older: five cron fields, in cleanup.timezone.")
    .meta({ examples: ["30 4 * * *"] }),
}).transform((written) => ({
  enabled: written.enabled,
  retentionMs: written.retention,
  schedule: written.schedule,
}));

/** `maxAgeMs` and `retentionMs` in milliseconds; `maxDeleteRatio` from 0 to 1. */
export type CleanupOptions = z.output<typeof cleanupSchema>;
export type TrashOptions = z.output<typeof trashSchema>;
