/** A script that makes a daemon do everything that it writes files for, and what is there after each step. */
import type { SessionClient } from "../../src/client/session-client.ts";
import type { CleanupResult } from "../../src/contract/replies.ts";
import { SessiondError } from "../../src/error.ts";

const config = { target_path: "/src" };

export type Step = (client: SessionClient) => Promise<unknown>;

export const steps: readonly Step[] = [
  (client) => client.createSession({ session_id: "a", config, pending_files: ["1", "2", "3"] }),
  (client) => client.createSession({ session_id: "б/в", config, pending_files: ["x"] }),
  (client) => client.reportProgress("a", { processed: ["1"], results: { "1": { score: 0.5 } } }),
  (client) => client.checkpointSession("б/в", { processed_files: ["x"], pending_files: ["y"] }),
  (client) => client.pauseSession("a", { reason: "lunch" }),
  (client) => client.createBackup("a"),
  (client) => client.resumeSession("a"),
  (client) => client.editSession("б/в", { labels: { team: "blue" } }),
  (client) => client.deleteSession("б/в"),
  (client) => client.restoreTrash("б/в"),
  (client) => client.completeSession("б/в"),
  async (client) => settled(await client.runCleanup("completed", { keep_recent: 0 })),
  async (client) => {
    // The oldest: restoring makes one itself.
    const backup = (await client.listBackups("a")).backups.at(-1);
    await client.restoreBackup("a", backup?.backup ?? "none");
  },
  (client) => client.createSession({ session_id: "c", config }),
  (client) => client.deleteSession("c", { purge: true }),
  (client) => client.emptyTrash(),
  (client) => client.failSession("a"),
];

/** A pass never rejects: what it could not do is in its result, and then some of it may have been done. */
function settled({ outcome, failures, warnings }: CleanupResult): void {
  if (outcome === "done" && failures.length === 0) return;
  const why = failures[0]?.message ?? warnings.join("; ");
  throw new SessiondError("storage_failed", why, { outcome: "unknown" });
}

/** Everything that the steps change, without what is different each time. */
export async function stateOf(client: SessionClient): Promise<unknown> {
  const sessions: Record<string, unknown> = {};
  for await (const { session_id } of client.allSessions({ sort: "session_id" })) {
    const session = await client.getSession(session_id);
    const { checkpoint_time: _, created_time: __, generation: ___, revision: ____, ...rest } = session;
    sessions[session_id] = rest;
  }
  const trash = (await client.listTrash()).entries.map((entry) => entry.session_id);
  return { sessions, trash };
}
