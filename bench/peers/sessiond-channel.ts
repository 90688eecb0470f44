/** sessiond over its worker channel, with nothing but a WebSocket: one message for each report. */
import { SessionClient } from "../../src/client/session-client.ts";
import { nextResult } from "../work.ts";
import { ackedReports } from "./acks.ts";
import type { Peer, PeerSettings, Reporter } from "./peer.ts";

export function sessiondChannel({ socket }: PeerSettings): Peer {
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  const ids: string[] = [];
  return {
    async open(id, files, done) {
      ids.push(id);
      await createSession(client, id, files);
      await reportDone(client, id, files.slice(0, done));
      return await attach(client, socket, id);
    },
    clear: () => removeSessions(client, ids),
    async close() {
      client.close();
    },
  };
}

export async function createSession(
  client: SessionClient,
  id: string,
  files: readonly string[],
): Promise<void> {
  await client.createSession({
    session_id: id,
    config: { target_path: "/srv/monorepo" },
    pending_files: [...files],
  });
}

/** Done before, and written to the JSON file, as in a session that has been under way for long. */
async function reportDone(client: SessionClient, id: string, files: readonly string[]): Promise<void> {
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

export async function removeSessions(client: SessionClient, ids: string[]): Promise<void> {
  for (const id of ids.splice(0)) await client.deleteSession(id, { purge: true });
}

export async function storedFiles(client: SessionClient, id: string): Promise<number> {
  return (await client.getSummary(id)).processed_count;
}

async function attach(client: SessionClient, socketPath: string, id: string): Promise<Reporter> {
  const { report, leave } = await ackedReports(`ws+unix:${socketPath}:/v1/sessions/${id}/attach`);
  return {
    report,
    async settle() {
      // A status change writes the JSON file before it is answered.
      await client.pauseSession(id);
    },
    stored: () => storedFiles(client, id),
    close: () => leave({ type: "detach" }),
  };
}
