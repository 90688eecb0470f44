/** Applies `worker.on_lost` to the session of a worker that did not reconnect in time. */
import { isSessiondError } from "../../error.ts";
import { hasEnded } from "../../host/process-identity.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { Lease, SessionStore } from "../../store/session-store.ts";
import type { WorkerOptions } from "./options.ts";

/**
 * Changes only a running session. `orphaned`: the host of the worker was lost. Resolves with the new status;
 * undefined if nothing was changed.
 *
 * @throws SessiondError if the change cannot be made durable
 */
export async function applyOnLost(
  store: Pick<SessionStore, "summary" | "change">,
  id: SessionId,
  lease: Pick<Lease, "worker" | "process" | "host">,
  orphaned: boolean,
  onLost: WorkerOptions["onLost"],
): Promise<"paused" | "failed" | undefined> {
  if (onLost === "leave") return undefined;
  const who = lease.worker === null ? "the worker" : `the worker "${lease.worker}"`;
  const reason = `${who} was lost: ${whyLost(lease, orphaned)}`;
  for (;;) {
    const seen = await store.summary(id);
    if (seen.status !== "running") return undefined;
    try {
      const command = { type: "transition", verb: onLost, reason } as const;
      // A report in progress or another program may change the session now. Then its status is checked again.
      await store.change(id, command, { ifSeen: seen });
      return onLost === "pause" ? "paused" : "failed";
    } catch (error) {
      if (!isSessiondError(error, "revision_mismatch")) throw error;
    }
  }
}

function whyLost({ process, host }: Pick<Lease, "process" | "host">, orphaned: boolean): string {
  if (orphaned) return host === null ? "its host was lost" : `its host "${host}" was lost`;
  if (process !== null && hasEnded(process)) return "its process ended";
  return "its connection ended, and it did not reconnect in time";
}
