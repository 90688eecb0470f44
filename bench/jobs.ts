/**
 * Measures how long a trivial command for each of many files takes, against GNU parallel with its job log.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Context, syncDisks } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { endProcess, type Scope, within } from "./scope.ts";
import { fileNames } from "./work.ts";

export interface Ran {
  who: "sessionctl run" | "GNU parallel";
  jobs: number;
  at_once: number;
  ms: number;
  ms_per_job: number;
  stall_ms: number | null;
  rounds: number[];
}

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const sessionctl = resolve(import.meta.dirname, "../sessionctl.js");
const atOnce = 2;

export async function jobs({ root, quick, rounds, available, say }: Context): Promise<Ran[]> {
  const files = fileNames(quick ? 1000 : 5000);
  const list = join(root, "jobs.txt");
  writeFileSync(list, files.map((file) => `${file}\n`).join(""));
  const samples: Record<Ran["who"], number[]> = { "sessionctl run": [], "GNU parallel": [] };
  const stalls: number[] = [];
  await within(async (scope) => {
    const daemon = await startDaemon(scope, join(root, "jobs"));
    const runs = {
      "sessionctl run": async (round: number) => {
        await daemon.longestStall();
        const took = await runWithSession(scope, daemon, `jobs${round}`, list, files.length);
        stalls.push(await daemon.longestStall());
        return took;
      },
      "GNU parallel": () => runWithJobLog(scope, join(root, "joblog"), list, files.length),
    };
    if (available.skipped.has("GNU parallel")) Reflect.deleteProperty(runs, "GNU parallel");
    const order = Object.entries(runs) as [Ran["who"], (round: number) => Promise<number>][];
    for (let round = 0; round < rounds; round++) {
      for (const [who, run] of order) {
        syncDisks();
        samples[who].push(await run(round));
      }
      order.reverse();
      say(`round ${round + 1} of ${rounds}`);
    }
    await daemon.stop();
  });
  return Object.entries(samples)
    .filter(([, list]) => list.length > 0)
    .map(([who, list]) => ({
      who: who as Ran["who"],
      jobs: files.length,
      at_once: atOnce,
      ms: rounded(median(list)),
      ms_per_job: rounded(median(list) / files.length),
      stall_ms: who === "sessionctl run" ? rounded(Math.max(...stalls)) : null,
      rounds: list.map(rounded),
    }));
}

async function runWithSession(
  scope: Scope,
  { client, socket }: Daemon,
  id: string,
  list: string,
  count: number,
): Promise<number> {
  const args = ["--socket", socket, "run", id, "--files-from", list, "-j", `${atOnce}`, "--progress", "none"];
  const took = await timed(scope, process.execPath, [sessionctl, ...args, "--", "true", "{}"]);
  const { processed_count } = await client.getSummary(id);
  if (processed_count !== count) throw new Error(`sessionctl run did ${processed_count} of ${count} jobs`);
  await client.deleteSession(id, { purge: true });
  return took;
}

async function runWithJobLog(scope: Scope, log: string, list: string, count: number): Promise<number> {
  rmSync(log, { force: true });
  const args = ["--will-cite", "-j", `${atOnce}`, "--joblog", log, "--resume", "-a", list, "true", "{}"];
  const took = await timed(scope, "parallel", args);
  const done = readFileSync(log, "utf8").split("\n").length - 2;
  if (done !== count) throw new Error(`GNU parallel did ${done} of ${count} jobs`);
  return took;
}

/** The time from the spawn of a program to its exit. */
async function timed(scope: Scope, program: string, args: readonly string[]): Promise<number> {
  const begun = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  scope.defer(() => endProcess(child));
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${program} ended with ${code}`);
  return performance.now() - begun;
}
