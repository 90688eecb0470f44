/**
 * The entry point of the benchmark. Measures the built daemon against its peers: the same work, on the same
 * machine, in one run.
 *
 *     npm run bench [-- [--quick] [--rounds N] [--only PART[,PART]]]
 *
 * The list below names the parts. Figures are medians of 5 rounds, or of 3 with `--quick`. Only a run of all
 * parts writes bench/results.json and bench/results.svg.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bars } from "./bars.ts";
import { chart } from "./chart.ts";
import { claims } from "./claims.ts";
import { cleanups } from "./cleanup.ts";
import type { Context } from "./context.ts";
import { durabilities } from "./durability.ts";
import { bytesWritten, costGrowth } from "./growth.ts";
import { install } from "./install.ts";
import { jobs } from "./jobs.ts";
import { journalServerArgument } from "./journal-server.ts";
import { listing, outsideWrites } from "./listing.ts";
import { diskDirectory, machine, versions } from "./machine.ts";
import { pacing } from "./pacing.ts";
import { serveJournal } from "./peers/line-journal.ts";
import { benchDirectory } from "./peers/packages.ts";
import { postgres } from "./postgres/measure.ts";
import { pythonReports } from "./python.ts";
import { reportsInFlight, reportsWaiting } from "./reports.ts";
import { notes, type Results } from "./results.ts";
import { endAllScopes, Scope } from "./scope.ts";
import { sharedRuns } from "./shared-runs.ts";
import { startUps } from "./start-up.ts";
import { barsTable, durabilityTable, table } from "./table.ts";
import { stringifyResults } from "./text.ts";
import { wholeSessions } from "./whole-session.ts";
import { serveWorkers, workersArgument } from "./workers.ts";

const parts = {
  durability: durabilities,
  waiting: reportsWaiting,
  in_flight: reportsInFlight,
  growth: costGrowth,
  bytes: bytesWritten,
  whole: wholeSessions,
  start: startUps,
  list: listing,
  outside: outsideWrites,
  cleanup: cleanups,
  jobs,
  pacing,
  claims,
  shared: sharedRuns,
  python: pythonReports,
  postgres,
} satisfies { [Part in keyof Results]?: (context: Context) => Promise<Results[Part]> };

const scope = new Scope();
const begun = performance.now();

function say(text: string): void {
  const seconds = Math.round((performance.now() - begun) / 1000);
  process.stderr.write(`${String(seconds).padStart(5)} s  ${text}\n`);
}

interface Arguments {
  quick: boolean;
  rounds: number;
  /** Empty for all parts. */
  only: string[] | undefined;
}

function parseArguments(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: { quick: { type: "boolean" }, rounds: { type: "string" }, only: { type: "string" } },
  });
  const { quick = false, rounds = quick ? "3" : "5" } = values;
  if (!/^[1-9]\d?$/.test(rounds)) throw new Error(`--rounds takes a number from 1 to 99, not ${rounds}`);
  const only = values.only?.split(",");
  const unknown = only?.find((name) => !(name in parts));
  if (unknown !== undefined) {
    throw new Error(`unknown part ${unknown}; --only takes ${Object.keys(parts).join(", ")}`);
  }
  return { quick, rounds: Number(rounds), only };
}

/** Resolves to an exit status. */
async function bench({ quick, rounds, only }: Arguments): Promise<number> {
  const available = install(say);
  const { path: root, fileSystem } = diskDirectory();
  scope.removeLater(root);
  const context: Context = { root, quick, rounds, available, say };
  const results: Results = {
    mode: quick ? "quick" : "full",
    date: new Date().toISOString(),
    rounds,
    machine: machine(fileSystem),
    versions: versions(available),
    notes,
    skipped: [...available.skipped].map(([what, because]) => ({ what, because })),
  };
  for (const [name, part] of Object.entries(parts)) {
    if (only?.includes(name) === false) continue;
    say(`--- ${name}`);
    Object.assign(results, { [name]: await part(context) });
    const volatile = results.durability?.filter(({ durable }) => !durable) ?? [];
    if (volatile.length > 0) {
      process.stdout.write(`\n${durabilityTable(results)}`);
      const names = volatile.map(({ peer, variant }) => `${peer} ${variant}`.trim());
      process.stderr.write(`\nnot durable, so the figures would be meaningless: ${names.join(", ")}\n`);
      return 1;
    }
  }
  results.bars = bars(results);
  process.stdout.write(`\n${table(results)}\n${durabilityTable(results)}\n${barsTable(results)}`);
  if (only === undefined) {
    writeFileSync(join(benchDirectory, "results.json"), stringifyResults(results));
    writeFileSync(join(benchDirectory, "results.svg"), chart(results));
  }
  return 0;
}

async function main(): Promise<number> {
  let args: Arguments;
  try {
    args = parseArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 64;
  }
  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      interrupted = true;
      say(`ended by ${signal}`);
      void endAllScopes().then(() => process.exit(130));
    });
  }
  try {
    return await bench(args);
  } catch (error) {
    // Its processes have been ended, so errors are expected now.
    if (interrupted) await new Promise(() => {});
    throw error;
  } finally {
    await scope.end();
  }
}

if (process.argv[2] === workersArgument) await serveWorkers(process.argv.slice(3));
else if (process.argv[2] === journalServerArgument) await serveJournal(process.argv.slice(3));
else process.exitCode = await main();
