/** Runs the rounds of a job for all peers in turn, so that other load on the machine affects all of them. */
import { type Context, syncDisks } from "./context.ts";
import { median, rounded } from "./measure.ts";
import type { PeerName } from "./peers/all.ts";
import type { Job, Rival, Rivals, Variant } from "./rivals.ts";
import type { RunResult } from "./run.ts";

export interface Measured {
  peer: PeerName;
  variant: string;
  job: Job;
  /** One entry for each round. */
  results: RunResult[];
}

export async function playRounds(
  { rounds, say }: Context,
  rivals: readonly Rival[],
  jobs: readonly ((rival: Rival) => Job)[],
): Promise<Measured[]> {
  const measured = jobs.map((job) =>
    rivals.map((rival) => ({ peer: rival.name, variant: rival.variant, job: job(rival), results: [] })),
  ) as Measured[][];
  for (let round = 0; round < rounds; round++) {
    for (const row of measured) {
      for (let place = 0; place < rivals.length; place++) {
        // The order changes, so that no peer always follows the same other one.
        const at = (place + round) % rivals.length;
        const { job, results } = row[at] as Measured;
        syncDisks();
        results.push(await (rivals[at] as Rival).run(job));
      }
    }
    say(`round ${round + 1} of ${rounds}`);
  }
  return measured.flat();
}

export interface Throughput {
  workers: number;
  window: number;
  peer: PeerName;
  variant: string;
  /** The number of files in each worker's session. */
  session_files: number;
  per_second: number;
  p50_ms: number;
  p99_ms: number;
  /** Counted in whole pages, as Linux does. */
  bytes_per_report: number;
  stall_ms: number | null;
  rounds: number[];
}

export function throughput({ peer, variant, job, results }: Measured): Throughput {
  const rates = results.map(({ reports, ms }) => Math.round((reports / ms) * 1000));
  return {
    workers: job.workers,
    window: job.window,
    peer,
    variant,
    session_files: job.files,
    per_second: median(rates),
    p50_ms: rounded(median(results.map(({ p50 }) => p50))),
    p99_ms: rounded(median(results.map(({ p99 }) => p99))),
    bytes_per_report: Math.round(median(results.map(({ writtenBytes, reports }) => writtenBytes / reports))),
    stall_ms: worstStall(results),
    rounds: rates,
  };
}

export function worstStall(results: readonly RunResult[]): number | null {
  const stalls = results.map(({ stallMs }) => stallMs).filter((stall) => stall !== null);
  return stalls.length === 0 ? null : rounded(Math.max(...stalls));
}

export interface Tried {
  peer: PeerName;
  variant: string;
  per_second: number;
}

export function variantsTried({ tried }: Rivals): Tried[] {
  const list = (peer: PeerName, variants: Variant[]) =>
    variants.map(({ name, perSecond }) => ({ peer, variant: name, per_second: perSecond }));
  return [...tried].flatMap(([peer, variants]) => list(peer, variants));
}
