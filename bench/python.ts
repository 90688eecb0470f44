/** Measures how many reports a second a worker makes that uses the Python package. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type Context, syncDisks } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { benchDirectory } from "./peers/packages.ts";
import { endProcess, type Scope, within } from "./scope.ts";
import { config, fileNames } from "./work.ts";

export interface PythonReports {
  way: "each waited for" | "in flight";
  reports_per_s: number;
  rounds: number[];
}

const program = join(benchDirectory, "peers", "python-worker.py");
const ways: Record<PythonReports["way"], string> = { "each waited for": "wait", "in flight": "flight" };

export async function pythonReports({
  root,
  quick,
  rounds,
  available,
  say,
}: Context): Promise<PythonReports[]> {
  if (available.skipped.has("Python")) return [];
  const seconds = quick ? 0.5 : 1.5;
  const order = Object.keys(ways) as PythonReports["way"][];
  const samples = new Map(order.map((way) => [way, [] as number[]]));
  await within(async (scope) => {
    const daemon = await startDaemon(scope, join(root, "python"));
    for (let round = 0; round < rounds; round++) {
      for (const way of order) {
        syncDisks();
        samples.get(way)?.push(await report(scope, daemon, ways[way], seconds));
      }
      say(`round ${round + 1} of ${rounds}`);
    }
    await daemon.stop();
  });
  return [...samples].map(([way, rates]) => ({
    way,
    reports_per_s: rounded(median(rates)),
    rounds: rates.map(rounded),
  }));
}

async function report(
  scope: Scope,
  { client, socket }: Daemon,
  way: string,
  seconds: number,
): Promise<number> {
  const id = "python";
  // More files than a round can report.
  await client.createSession({ session_id: id, config, pending_files: fileNames(100_000) });
  const child = spawn("python3", [program, socket, id, way, `${seconds}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  scope.defer(() => endProcess(child));
  const [rate, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (code !== 0) throw new Error(`the worker in Python ended with ${code}`);
  await client.deleteSession(id, { purge: true });
  return Number(rate);
}
