/**
 * sessiond as its library is used: reports that are made while a message is on its way ride together in the
 * next one.
 */
import { SessionClient } from "../../src/client/session-client.ts";
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings } from "./peer.ts";
import { createSession, removeSessions, storedFiles } from "./sessiond-channel.ts";

export function sessiondLibrary({ socket }: PeerSettings): Peer {
  const client = new SessionClient({ socketPath: socket, timeoutMs: 0 });
  const ids: string[] = [];
  return {
    async open(id, files) {
      ids.push(id);
      await createSession(client, id, files);
      const worker = await client.attach(id);
      return {
        report: (file) => worker.report(progressOf(file)),
        async settle() {
          await client.pauseSession(id);
        },
        stored: () => storedFiles(client, id),
        close: () => worker.detach(),
      };
    },
    clear: () => removeSessions(client, ids),
    async close() {
      client.close();
    },
  };
}
