/**
 * The client process: all workers of one peer. Every peer gets the same program, so that none gets more of
 * the machine than another. Told by messages of its parent what to run; see client-process.ts.
 */
import { type PeerName, peers } from "./peers/all.ts";
import type { PeerSettings } from "./peers/peer.ts";
import { type RunRequest, run } from "./run.ts";

/** The bench runs itself with this, the name of a peer and its settings. */
export const workersArgument = "workers";

export async function serveWorkers([name, settings]: readonly string[]): Promise<void> {
  const peer = await peers[name as PeerName](JSON.parse(settings as string) as PeerSettings);
  process.on("message", (request: RunRequest | "close") => {
    if (request === "close") {
      void peer.close().then(() => process.disconnect());
      return;
    }
    run(peer, request).then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: (error as Error).stack }),
    );
  });
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}
