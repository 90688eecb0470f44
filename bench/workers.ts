/**
 * The client process, which runs all workers of one peer. The program is the same for every peer, so that
 * none has an advantage. Its parent sends it requests; see client-process.ts.
 */
import { once } from "node:events";
import { type PeerName, peers } from "./peers/all.ts";
import type { PeerSettings } from "./peers/peer.ts";
import { type RunRequest, run } from "./run.ts";

/** The benchmark starts its own program with this argument, the name of a peer and its settings. */
export const workersArgument = "workers";

export async function serveWorkers([name, settings]: readonly string[]): Promise<void> {
  const peer = await peers[name as PeerName](JSON.parse(settings as string) as PeerSettings);
  process.on("message", (request: RunRequest | "close" | "go") => {
    if (request === "go") return;
    if (request === "close") {
      void peer.close().then(() => process.disconnect());
      return;
    }
    const together = async () => {
      process.send?.("opened");
      await once(process, "message");
    };
    const result =
      "measure" in peer
        ? peer.measure(request)
        : run(peer, request, request.prefix === undefined ? undefined : together);
    result.then(
      (result) => process.send?.({ result }),
      (error: unknown) => process.send?.({ error: (error as Error).stack }),
    );
  });
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}
