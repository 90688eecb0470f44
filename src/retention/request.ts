/** Combines the configured options with a request into the policy to run. */
import type { PolicyName } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import { formatDuration } from "../time/duration.ts";
import type { JobName, JobSettings } from "./jobs.ts";
import type { CleanupOptions, TrashOptions } from "./options.ts";
import type { Trigger } from "./pass.ts";
import { describePolicy, type Policy } from "./policy.ts";

export interface CleanupRequest {
  policy: PolicyName;
  trigger: Trigger;
  /** Plan only, and remove nothing. */
  dryRun?: boolean | undefined;
  /** Replaces the configured number; only for `completed`. */
  keepRecent?: number | undefined;
  /** Replaces the configured age; only for `expired` and `failed`; 0 means any age. */
  maxAgeMs?: number | undefined;
  /** The `plan_id` of a plan to apply exactly as it was shown. */
  approve?: string | undefined;
}

export function configuredPolicy(name: PolicyName, options: CleanupOptions): Policy {
  return name === "completed"
    ? { name, keepRecent: options.completed.keepRecent }
    : { name, maxAgeMs: options[name].maxAgeMs };
}

/** @throws SessiondError `invalid_request` for an option that the policy does not have */
export function requestedPolicy(request: CleanupRequest, options: CleanupOptions): Policy {
  const { policy: name, keepRecent, maxAgeMs } = request;
  const policy = configuredPolicy(name, options);
  if (policy.name === "completed") {
    if (maxAgeMs !== undefined) throw foreign("max_age", name, "keep_recent");
    return { ...policy, keepRecent: atLeastZero("keep_recent", keepRecent ?? policy.keepRecent) };
  }
  if (keepRecent !== undefined) throw foreign("keep_recent", name, "max_age");
  return { ...policy, maxAgeMs: atLeastZero("max_age", maxAgeMs ?? policy.maxAgeMs) };
}

function foreign(key: string, policy: PolicyName, own: string): SessiondError {
  return new SessiondError("invalid_request", `the policy ${policy} has no ${key}; use ${own}`, {
    issues: [{ path: key, message: `is not an option of the policy ${policy}; use ${own}` }],
  });
}

function atLeastZero(key: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new SessiondError("invalid_request", `${key} must be a whole number, 0 or more`, {
    issues: [{ path: key, message: "must be a whole number, 0 or more" }],
  });
}

export function jobSettings(name: JobName, cleanup: CleanupOptions, trash: TrashOptions): JobSettings {
  if (name === "trash") {
    const { enabled, schedule, retentionMs } = trash;
    const rule =
      retentionMs === 0
        ? "permanently delete everything in the trash"
        : `permanently delete sessions that have been in the trash for ${formatDuration(retentionMs)}`;
    return { name, enabled, schedule, rule };
  }
  const { enabled, schedule } = cleanup[name];
  return { name, enabled, schedule, rule: describePolicy(configuredPolicy(name, cleanup)) };
}
