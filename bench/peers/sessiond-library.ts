/**
 * sessiond as its library is used: reports that are made while a message is on its way ride together in the
 * next one.
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
