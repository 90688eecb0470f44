/** From options and a request to the policy that is meant. */
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
  /** Decide and report, but remove nothing. */
  dryRun?: boolean | undefined;
  /** Instead of the configured number; only for `completed`. */
  keepRecent?: number | undefined;
  /** Instead of the configured age; only for `expired` and `failed`; 0 means every age. */
  maxAgeMs?: number | undefined;
  /** The `plan_id` of a plan to carry out exactly as it was shown. */
  approve?: string | undefined;
}

export function configuredPolicy(name: PolicyName, options: CleanupOptions): Policy {
  return name === "completed"
    ? { name, keepRecent: options.completed.keepRecent }
    : { name, maxAgeMs: options[name].maxAgeMs };
}

/** @throws SessiondError `invalid_request` for a value that the policy does not have */
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
  return new SessiondError("invalid_request", `the policy ${policy} has no ${key}: it goes by ${own}`, {
    issues: [{ path: key, message: `not for the policy ${policy}; use ${own}` }],
  });
}

function atLeastZero(key: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new SessiondError("invalid_request", `${key} must be a whole number of at least 0`, {
    issues: [{ path: key, message: "must be a whole number of at least 0" }],
  });
}

export function jobSettings(name: JobName, cleanup: CleanupOptions, trash: TrashOptions): JobSettings {
  if (name === "trash") {
    const { enabled, schedule, retentionMs } = trash;
    const what = retentionMs === 0 ? "everything" : `what has been there for ${formatDuration(retentionMs)}`;
    return { name, enabled, schedule, rule: `delete ${what} from the trash for good` };
  }
  const { enabled, schedule } = cleanup[name];
  return { name, enabled, schedule, rule: describePolicy(configuredPolicy(name, cleanup)) };
}
