/**
 * sessiond through its library, which merges the reports that are made while a message is in flight into the
 * next message.
 */
import { progressOf } from "../work.ts";
import type { Peer, PeerSettings } from "./peer.ts";
import { sessiondPeer } from "./sessiond.ts";

export function sessiondLibrary(settings: PeerSettings): Peer {
  return sessiondPeer(settings, async (client, id) => {
    const worker = await client.attach(id);
    return { report: (file) => worker.report(progressOf(file)), close: () => worker.detach() };
  });
}
