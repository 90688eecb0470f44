/** The part that the peers of sessiond share, however their workers report. */
import { SessionClient } from "../../src/client/session-client.ts";
import { config, nextResult } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

/** `work` starts a worker for a session. Its client is for requests that are not measured. */
export function sessiondPeer(
  { socket }: PeerSettings,
  work: (client: SessionClient, id: string) => Promise<Pick<Reporter, "report" | "close">>,
): Peer {
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  const ids: string[] = [];
  return {
    async open(id, files, done) {
      ids.push(id);
      await client.createSession({ session_id: id, config, pending_files: [...files] });
      await reportDone(client, id, files.slice(0, done));
      const { report, close } = await work(client, id);
      return {
        report,
        async finishDeferred() {
          // A status change is answered after the JSON file has been written.
          await client.pauseSession(id);
        },
        stored: async () => (await client.getSummary(id)).processed_count,
        close,
      };
    },
    async clear() {
      for (const id of ids.splice(0)) await client.deleteSession(id, { purge: true });
    },
    async close() {
      client.close();
    },
  };
}

/** Reports files before the measurement and writes the JSON file, as in a session that has run for long. */
export async function reportDone(client: SessionClient, id: string, files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const atOnce = 20_000;
  for (let at = 0; at < files.length; at += atOnce) {
    const processed = files.slice(at, at + atOnce);
    const results = Object.fromEntries(processed.map((file) => [file, nextResult()]));
    await client.reportProgress(id, { processed, results });
  }
  await client.pauseSession(id);
  await client.resumeSession(id);
}
