/**
 * Measures how long the cleanup of many completed sessions takes, against `find -delete` of the same files.
 */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Context, syncDisks } from "./context.ts";
import { startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { within } from "./scope.ts";
import { fillDirectory } from "./work.ts";

export interface CleanedUp {
  /**
   * When sessiond replies, its removals are durable and recorded in its history. Those of find are neither.
   */
  what: "cleanup, to the trash" | "emptying the trash" | "find -delete";
  sessions: number;
  ms: number;
  stall_ms: number | null;
  rounds: number[];
}

interface Sample {
  ms: number;
  stall: number | null;
}

export async function cleanups({ root, rounds, say }: Context): Promise<CleanedUp[]> {
  const sessions = 10_000;
  const samples: Record<CleanedUp["what"], Sample[]> = {
    "cleanup, to the trash": [],
    "emptying the trash": [],
    "find -delete": [],
  };
  const directory = join(root, "cleanup");
  const refill = () => {
    rmSync(directory, { recursive: true, force: true });
    fillDirectory(directory, sessions, () => ({ status: "completed" }));
    syncDisks();
  };
  for (let round = 0; round < rounds; round++) {
    refill();
    await within(async (scope) => {
      const daemon = await startDaemon(scope, directory);
      const timed = async (task: () => Promise<number>) => {
        await daemon.longestStall();
        const begun = performance.now();
        const done = await task();
        const ms = performance.now() - begun;
        if (done !== sessions) throw new Error(`${done} of ${sessions} sessions were removed`);
        return { ms, stall: await daemon.longestStall() };
      };
      const { client } = daemon;
      samples["cleanup, to the trash"].push(
        await timed(async () => (await client.runCleanup("completed", { keep_recent: 0 })).removed),
      );
      samples["emptying the trash"].push(await timed(async () => (await client.emptyTrash()).removed));
      await daemon.stop();
    });
    refill();
    const begun = performance.now();
    const { status } = spawnSync("find", [directory, "-name", "*.json", "-delete"]);
    if (status !== 0) throw new Error("find failed");
    samples["find -delete"].push({ ms: performance.now() - begun, stall: null });
    say(`round ${round + 1} of ${rounds}`);
  }
  rmSync(directory, { recursive: true, force: true });
  return Object.entries(samples).map(([what, list]) => {
    const stalls = list.map(({ stall }) => stall).filter((stall) => stall !== null);
    return {
      what: what as CleanedUp["what"],
      sessions,
      ms: rounded(median(list.map(({ ms }) => ms))),
      stall_ms: stalls.length === 0 ? null : rounded(Math.max(...stalls)),
      rounds: list.map(({ ms }) => rounded(ms)),
    };
  });
}
