/** Applies a plan: removes its sessions, a few at a time, and reports what happened to each. */
import { yieldIfDue } from "../async/slices.ts";
import type { CleanupResult, HistoryEntry } from "../contract/replies.ts";
import { isSessiondError } from "../error.ts";
import type { SessionId } from "../session/session-id.ts";
import type { SessionStore } from "../store/session-store.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { describePolicy, type KeepReason, type Plan, type Removal } from "./policy.ts";

export type Trigger = CleanupResult["trigger"];

export interface Pass {
  store: Pick<SessionStore, "remove" | "removalsAtOnce">;
  plan: Plan;
  trigger: Trigger;
  /** Whether to do everything except for the removals. */
  dryRun: boolean;
  /** Why the plan must wait for approval. If set, nothing is removed. */
  hold?: string | undefined;
  /** Ends the pass before the next removal. Its reason is an error that says why. */
  signal: AbortSignal;
  clock: Clock;
  /** Writes removals to the history. If it fails the pass stops, so that every removal is in the history. */
  record(entries: readonly HistoryEntry[]): Promise<void>;
}

const historyBatch = 50;

/** Never rejects: the result contains the failures. */
export async function runPass(pass: Pass): Promise<CleanupResult> {
  const { plan, dryRun, hold, signal } = pass;
  const started_time = formatTimestamp(pass.clock.now());
  const startedAt = performance.now();
  /** For each removal that was tried: null if the session was removed, else why it is kept. */
  const tried = new Map<string, KeepReason | null>();
  const failures: CleanupResult["failures"] = [];
  const warnings = [...plan.warnings];
  const history = new HistoryWriter(pass);
  let stop: string | undefined;

  const removals = plan.removals.values();
  const worker = async () => {
    for (const removal of removals) {
      if (signal.aborted) stop ??= (signal.reason as Error).message;
      stop ??= history.problem;
      if (stop !== undefined) return;
      const result = await tryRemove(pass, removal, history);
      tried.set(removal.session_id, result.kept);
      if (result.failure !== undefined) failures.push({ session_id: removal.session_id, ...result.failure });
      if (result.fatal) stop ??= result.failure?.message;
      await yieldIfDue();
    }
  };
  if (hold === undefined) await Promise.all(Array.from({ length: pass.store.removalsAtOnce }, worker));
  else warnings.push(`waiting for approval: ${hold}`);
  await history.flush();
  stop ??= history.problem;
  if (stop !== undefined) warnings.push(`stopped early: ${stop}`);

  const untried: KeepReason = hold === undefined ? "not_reached" : "waiting_approval";
  const decisions = plan.decisions.map((decision) => {
    if (decision.action === "keep") return decision;
    const kept = tried.has(decision.session_id) ? tried.get(decision.session_id) : untried;
    return kept == null ? decision : { ...decision, action: "keep" as const, reason: kept };
  });
  const removed = decisions.filter((decision) => decision.action === "remove");
  return {
    policy: plan.policy.name,
    rule: describePolicy(plan.policy),
    dry_run: dryRun,
    plan_id: plan.plan_id,
    trigger: pass.trigger,
    outcome:
      hold !== undefined ? "waiting_approval" : stop !== undefined ? "stopped" : dryRun ? "planned" : "done",
    started_time,
    duration_ms: Math.round(performance.now() - startedAt),
    total: plan.total,
    kept: plan.total - removed.length,
    removed: removed.length,
    bytes: removed.reduce((sum, decision) => sum + decision.bytes, 0),
    decisions,
    failures,
    warnings,
  };
}

interface Tried {
  /** Null if the session was removed. */
  kept: KeepReason | null;
  failure?: { code: string; message: string };
  /** Whether all further removals would fail too. */
  fatal?: boolean;
}

async function tryRemove(pass: Pass, removal: Removal, history: HistoryWriter): Promise<Tried> {
  const id = removal.session_id as SessionId;
  try {
    if (pass.dryRun) return { kept: null };
    const { trash_id } = await pass.store.remove(id, {
      // Null only for an entry of the trash, which no pass over sessions has.
      ifSeen: { ...removal, checkpoint_time: removal.checkpoint_time ?? "" },
      reason: removal.reason,
    });
    history.add(removal, trash_id);
    return { kept: null };
  } catch (error) {
    if (isSessiondError(error, "revision_mismatch", "session_not_found", "session_deleted")) {
      return { kept: "changed" };
    }
    if (isSessiondError(error, "lease_held")) return { kept: "leased" };
    return {
      kept: "removal_failed",
      failure: {
        code: isSessiondError(error) ? error.code : "internal",
        message: error instanceof Error ? error.message : String(error),
      },
      fatal: isSessiondError(error, "storage_full", "storage_failed", "storage_unavailable", "shutting_down"),
    };
  }
}

/** Collects history entries and writes them in batches, in order. */
class HistoryWriter {
  readonly #pass: Pass;
  #batch: HistoryEntry[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** Why the history could not be written. */
  problem: string | undefined;

  constructor(pass: Pass) {
    this.#pass = pass;
  }

  add(removal: Removal, trashId: string | null): void {
    const { plan, trigger, clock } = this.#pass;
    const { generation: _, revision: __, ...what } = removal;
    this.#batch.push({
      ...what,
      time: formatTimestamp(clock.now()),
      job: plan.policy.name,
      rule: describePolicy(plan.policy),
      trigger,
      plan_id: plan.plan_id,
      trash_id: trashId,
    });
    if (this.#batch.length >= historyBatch) void this.flush();
  }

  /** Resolves when all entries so far are written, or when {@link problem} is set. */
  flush(): Promise<void> {
    const batch = this.#batch;
    this.#batch = [];
    if (batch.length > 0) {
      this.#writing = this.#writing.then(async () => {
        try {
          await this.#pass.record(batch);
        } catch (error) {
          const { message } = error as Error;
          this.problem ??= `cannot write ${batch.length} removals to the history: ${message}`;
        }
      });
    }
    return this.#writing;
  }
}
