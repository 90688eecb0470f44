/** A socket between a run and its daemon that fails once, as if the daemon was killed and started again. */
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { tempDir } from "../support/temp-dir.ts";

export interface CutWire {
  readonly socketPath: string;
  /** Whether the run has come as far as to be cut. */
  readonly isCut: boolean;
}

/** For so long nobody listens after the cut. */
const awayMs = 60;

/**
 * Cuts all connections at the n-th piece that the run sends, from 1: before the daemon has it, or in place of
 * what the daemon answers.
 */
export async function cutWire(target: string, at: number, when: "unsent" | "unanswered"): Promise<CutWire> {
  const socketPath = join(await tempDir(), "wire.sock");
  const sockets = new Set<Socket>();
  let [pieces, isCut, isAway] = [0, false, false];
  const server = createServer((near) => {
    if (isAway) return void near.destroy();
    const far = connect(target);
    let isDoomed = false;
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("end", () => other.end());
      one.on("close", () => {
        other.destroy();
        sockets.delete(one);
      });
    }
    near.on("data", (piece) => {
      if (++pieces !== at) return void far.write(piece);
      isDoomed = true;
      if (when === "unsent") cut();
      else far.write(piece);
    });
    far.on("data", (piece) => (isDoomed ? cut() : near.write(piece)));
  });
  const cut = () => {
    [isCut, isAway] = [true, true];
    for (const socket of sockets) socket.destroy();
    setTimeout(() => (isAway = false), awayMs);
  };
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    socketPath,
    get isCut() {
      return isCut;
    },
  };
}
