/** The job that empties the trash. */
import type { SessionStore } from "../store/session-store.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { appendHistory, trashHistory } from "./history.ts";
import type { LastRun } from "./jobs.ts";
import type { Trigger } from "./pass.ts";

export interface TrashJob {
  store: Pick<SessionStore, "emptyTrash" | "listTrash" | "records">;
  retentionMs: number;
  rule: string;
  trigger: Trigger;
  clock: Clock;
}

/**
 * Permanently deletes sessions that have been in the trash for `retentionMs`, and writes them to the history.
 */
export async function emptyTrash({ store, retentionMs, rule, trigger, clock }: TrashJob): Promise<LastRun> {
  const time = formatTimestamp(clock.now());
  const startedAt = performance.now();
  const { entries } = await store.emptyTrash(retentionMs);
  await appendHistory(store.records, trashHistory(entries, { rule, trigger }, clock));
  const { total } = await store.listTrash();
  return {
    time,
    trigger,
    outcome: "done",
    removed: entries.length,
    kept: total,
    duration_ms: Math.round(performance.now() - startedAt),
  };
}
