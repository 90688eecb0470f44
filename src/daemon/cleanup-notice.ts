/** Says at the start, in plain words, what cleanup will remove by itself and when, and how to change that. */
import type { ScheduleEntry } from "../contract/replies.ts";

/**
 * One line for each job that runs by itself. `file` is where its settings are, in words if there is none yet.
 */
export function cleanupNotices(jobs: readonly ScheduleEntry[], file: string): string[] {
  const notices = jobs.filter(({ enabled }) => enabled).map((job) => noticeOf(job, file));
  if (jobs.some(({ job, enabled }) => enabled && job !== "trash")) return notices;
  const off = "no session is removed by itself: the policies completed, expired and failed are off";
  return [`${off}; to turn one on: cleanup.expired.enabled: true in ${file}`, ...notices];
}

function noticeOf({ job, rule, next_run, timezone, schedule }: ScheduleEntry, file: string): string {
  const [key, where] =
    job === "trash" ? ["trash", ""] : [`cleanup.${job}`, "; what is removed goes to the trash"];
  const when = next_run === null ? `never (${schedule} ${timezone})` : next_run.replace(/:\d\d\.\d+Z$/, "Z");
  const what = rule.startsWith("keep") ? `${rule} and remove the others` : rule;
  return `cleanup will ${what}, next at ${when}${where}; to turn this off: ${key}.enabled: false in ${file}`;
}
