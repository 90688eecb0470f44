/** What becomes of a session whose worker did not come back. */
import { isSessiondError } from "../../error.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { WorkerOptions } from "./options.ts";

/**
 * Only of a running session: one that was paused, or is done, has not lost anything with its worker. Resolves with what was
 * done, if anything.
 *
 * @throws SessiondError when it could not be made durable
 */
export async function applyOnLost(
  store: Pick<SessionStore, "summary" | "apply">,
  id: SessionId,
  worker: string | null,
  onLost: WorkerOptions["onLost"],
): Promise<"paused" | "failed" | undefined> {
  if (onLost === "leave") return undefined;
  const reason = `the worker${worker === null ? "" : ` "${worker}"`} was lost: its connection ended, and it did not come back in time`;
  for (;;) {
    const { status, revision, generation } = await store.summary(id);
    if (status !== "running") return undefined;
    try {
      const command = { type: "transition", verb: onLost, reason } as const;
      // Reports that were under way, or another program, may still change it: then it is looked at again.
      await store.apply(id, command, { ifRevision: revision, ifGeneration: generation });
      return onLost === "pause" ? "paused" : "failed";
    } catch (error) {
      if (!isSessiondError(error, "revision_mismatch")) throw error;
    }
  }
}
