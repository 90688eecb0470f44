/** sessiond as a peer, whatever its workers report by. */
import { SessionClient } from "../../src/client/session-client.ts";
import { config, nextResult } from "../work.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

/** `work` takes a session up, and is given a client for what is not to be measured. */
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
        async settle() {
          // A status change writes the JSON file before it is answered.
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

/** Done before, and written to the JSON file, as in a session that has been under way for long. */
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
