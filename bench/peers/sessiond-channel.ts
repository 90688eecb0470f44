/** sessiond over its worker channel, on bare sockets and with one message for each report. */
import { ackedReports } from "./acks.ts";
import type { Peer, PeerSettings } from "./peer.ts";
import { sessiondPeer } from "./sessiond.ts";

export function sessiondChannel(settings: PeerSettings): Peer {
  return sessiondPeer(settings, async (_client, id) => {
    const { report, leave } = await ackedReports(settings.socket, `/v1/sessions/${id}/attach`);
    return { report, close: () => leave({ type: "detach" }) };
  });
}
