/** Measures how many files a second are claimed from one shared session, one at a time by each worker. */
import { join } from "node:path";
import type { SharedWorkerSession } from "../src/client/worker/shared-worker-session.ts";
import { type Context, syncDisks } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { within } from "./scope.ts";
import { config, fileNames } from "./work.ts";

export interface Claimed {
  workers: number;
  /** The median of the rounds. */
  claims_per_s: number;
  stall_ms: number;
  rounds: number[];
}

const numbersOfWorkers = [1, 8, 64];

export async function claims({ root, quick, rounds, say }: Context): Promise<Claimed[]> {
  const limitMs = quick ? 500 : 1500;
  const samples = new Map(numbersOfWorkers.map((workers) => [workers, [] as number[]]));
  const stalls = new Map<number, number>();
  await within(async (scope) => {
    const daemon = await startDaemon(scope, join(root, "claims"));
    for (let round = 0; round < rounds; round++) {
      for (const workers of numbersOfWorkers) {
        syncDisks();
        await daemon.longestStall();
        samples.get(workers)?.push(await claimFor(daemon, workers, limitMs));
        stalls.set(workers, Math.max(stalls.get(workers) ?? 0, await daemon.longestStall()));
      }
      say(`round ${round + 1} of ${rounds}`);
    }
    await daemon.stop();
  });
  return numbersOfWorkers.map((workers) => {
    const rates = samples.get(workers) ?? [];
    return {
      workers,
      claims_per_s: rounded(median(rates)),
      stall_ms: rounded(stalls.get(workers) ?? 0),
      rounds: rates.map(rounded),
    };
  });
}

async function claimFor({ client }: Daemon, workers: number, limitMs: number): Promise<number> {
  const id = `claims-${workers}`;
  // More files than a round can claim.
  await client.createSession({ session_id: id, config, pending_files: fileNames(100_000) });
  const attached: SharedWorkerSession[] = [];
  for (let worker = 0; worker < workers; worker++) attached.push(await client.attach(id, { shared: true }));
  const begun = performance.now();
  const counts = await Promise.all(
    attached.map(async (worker) => {
      let count = 0;
      while (performance.now() < begun + limitMs) count += (await worker.claim(1)).files.length;
      return count;
    }),
  );
  const ms = performance.now() - begun;
  await Promise.all(attached.map((worker) => worker.detach()));
  await client.deleteSession(id, { purge: true });
  return (counts.reduce((sum, count) => sum + count, 0) * 1000) / ms;
}
