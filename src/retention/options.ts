/** The `cleanup` and `trash` sections of the configuration. */
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
  // The default needs no Intl, which takes 10 ms to load.
  if (zone === "UTC") return undefined;
  try {
    // Intl also accepts offsets such as +02:00, which have no daylight saving time.
    if (/^[A-Za-z]/.test(zone)) {
      new Intl.DateTimeFormat("en", { timeZone: zone });
      return undefined;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return `${JSON.stringify(zone)} is not a time zone; write an IANA name, such as UTC or Europe/Berlin`;
}

/** The keys that every policy has. */
function scheduled(defaultSchedule: string) {
  return {
    enabled: switchOption()
      .prefault(true)
      .describe("Whether the policy runs on its schedule. It can be run by hand in any case."),
    schedule: cronOption()
      .prefault(defaultSchedule)
      .describe(
        "When the policy runs: minute, hour, day of month, month, day of week, in the zone cleanup.timezone.",
      )
      .meta({ examples: [defaultSchedule] }),
  };
}

const completedSchema = section({
  ...scheduled("0 3 * * *"),
  keep_recent: countOption(0, 1_000_000)
    .prefault(10)
    .describe(
      "How many completed sessions to keep, those with the newest checkpoints. 0 removes all completed sessions.",
    ),
}).transform(({ keep_recent, ...written }) => ({ ...written, keepRecent: keep_recent }));

const expiredSchema = section({
  ...scheduled("30 3 * * *"),
  max_age: durationOption("1s", longestAge)
    .prefault("30d")
    .describe(
      "A session of any status is removed this long after its last checkpoint. 0 is not allowed, as it would remove sessions that are running.",
    ),
}).transform(({ max_age, ...written }) => ({ ...written, maxAgeMs: max_age }));

const failedSchema = section({
  ...scheduled("0 4 * * *"),
  max_age: durationOption("0", longestAge)
    .prefault("7d")
    .describe(
      "A failed session is removed this long after its last checkpoint. 0 removes all failed sessions.",
    ),
}).transform(({ max_age, ...written }) => ({ ...written, maxAgeMs: max_age }));

/** The `cleanup` section: the policies, their schedules, and the limits of a pass. */
export const cleanupSchema = section({
  timezone: textOption("an IANA time zone, such as UTC or Europe/Berlin", timezoneProblem)
    .prefault("UTC")
    .describe("The IANA time zone of all schedules, including that of the trash.")
    .meta({ examples: ["UTC", "Europe/Berlin"] }),
  on_missed: choiceOption(["run_once", "skip"])
    .prefault("run_once")
    .describe(
      "What to do about scheduled runs that were missed while the daemon was not running: run_once runs the policy once at start, skip waits for its next scheduled time.",
    ),
  max_delete_ratio: shareOption()
    .prefault(0.5)
    .describe(
      "The largest share of all sessions that a scheduled run may remove, from 0 to 1. A run that would remove more, and at least 3 sessions, removes nothing until its plan is approved. 1 means no limit.",
    ),
  max_delete_count: countOption(1, 1_000_000_000)
    .optional()
    .describe(
      "The largest number of sessions that a scheduled run may remove. A run that would remove more removes nothing until its plan is approved. Default: no limit.",
    )
    .meta({ examples: [1000] }),
  completed: completedSchema
    .prefault({})
    .describe("Removes completed sessions, except for the most recent ones."),
  expired: expiredSchema
    .prefault({})
    .describe("Removes sessions without activity for a long time, whatever their status."),
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

/** The `trash` section: how long a removed session can be restored. */
export const trashSchema = section({
  enabled: switchOption()
    .prefault(true)
    .describe(
      "Whether old sessions are deleted from the trash on its schedule. If false, the trash keeps everything until it is emptied by hand.",
    ),
  retention: durationOption("0", longestAge)
    .prefault("7d")
    .describe(
      "How long a removed session stays in the trash and can be restored. 0 deletes everything at each run.",
    ),
  schedule: cronOption()
    .prefault("30 4 * * *")
    .describe("When old sessions are deleted from the trash: five cron fields, in the zone cleanup.timezone.")
    .meta({ examples: ["30 4 * * *"] }),
}).transform((written) => ({
  enabled: written.enabled,
  retentionMs: written.retention,
  schedule: written.schedule,
}));

/** `maxAgeMs` and `retentionMs` in milliseconds; `maxDeleteRatio` from 0 to 1. */
export type CleanupOptions = z.output<typeof cleanupSchema>;
export type TrashOptions = z.output<typeof trashSchema>;
