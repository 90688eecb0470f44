/** Combines the configured options with a request into the policy to run. */
import type { JobName, PolicyName } from "../contract/replies.ts";
import { SessiondError } from "../error.ts";
import type { JobSettings } from "./jobs.ts";
import type { CleanupOptions, TrashOptions } from "./options.ts";
import type { Trigger } from "./pass.ts";
import { describePolicy, type Policy, type TrashPolicy } from "./policy.ts";

export interface CleanupRequest {
  policy: JobName;
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

function configuredPolicy(name: PolicyName, options: CleanupOptions): Policy {
  return name === "completed"
    ? { name, keepRecent: options.completed.keepRecent }
    : { name, maxAgeMs: options[name].maxAgeMs };
}

/** @throws SessiondError `invalid_request` for an option that the policy does not have */
export function requestedPolicy(
  { policy: name, keepRecent, maxAgeMs }: CleanupRequest,
  cleanup: CleanupOptions,
  trash: TrashOptions,
): Policy | TrashPolicy {
  const policy = configuredJob(name, cleanup, trash);
  if (policy.name === "trash") {
    if (keepRecent !== undefined) throw foreign("keep_recent", name);
    if (maxAgeMs !== undefined) throw foreign("max_age", name);
    return policy;
  }
  if (policy.name === "completed") {
    if (maxAgeMs !== undefined) throw foreign("max_age", name, "keep_recent");
    return { ...policy, keepRecent: atLeastZero("keep_recent", keepRecent ?? policy.keepRecent) };
  }
  if (keepRecent !== undefined) throw foreign("keep_recent", name, "max_age");
  return { ...policy, maxAgeMs: atLeastZero("max_age", maxAgeMs ?? policy.maxAgeMs) };
}

function foreign(key: string, job: JobName, own?: string): SessiondError {
  const instead = own === undefined ? "" : `; use ${own}`;
  const what = job === "trash" ? "the cleanup of the trash" : `the policy ${job}`;
  return new SessiondError("invalid_request", `${what} has no ${key}${instead}`, {
    issues: [{ path: key, message: `is not an option of ${what}${instead}` }],
  });
}

function atLeastZero(key: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new SessiondError("invalid_request", `${key} must be a whole number, 0 or more`, {
    issues: [{ path: key, message: "must be a whole number, 0 or more" }],
  });
}

export function jobSettings(name: JobName, cleanup: CleanupOptions, trash: TrashOptions): JobSettings {
  const policy = configuredJob(name, cleanup, trash);
  const { enabled, schedule } = name === "trash" ? trash : cleanup[name];
  return { name, enabled, schedule, rule: describePolicy(policy) };
}

export function configuredJob(
  name: JobName,
  cleanup: CleanupOptions,
  { retentionMs }: TrashOptions,
): Policy | TrashPolicy {
  return name === "trash" ? { name, retentionMs } : configuredPolicy(name, cleanup);
}
