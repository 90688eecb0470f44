/** Measures how long several runners take for trivial commands in one shared session, against one runner. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Context, syncDisks } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { endProcess, type Scope, within } from "./scope.ts";
import { fileNames } from "./work.ts";

export interface SharedRun {
  who: "4 runners, one at once each" | "1 runner, 4 at once";
  files: number;
  ms: number;
  rounds: number[];
}

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const sessionctl = resolve(import.meta.dirname, "../sessionctl.js");

const ways: Record<SharedRun["who"], { runners: number; options: string[] }> = {
  "4 runners, one at once each": { runners: 4, options: ["--share", "-j", "1"] },
  "1 runner, 4 at once": { runners: 1, options: ["-j", "4"] },
};

export async function sharedRuns({ root, quick, rounds, say }: Context): Promise<SharedRun[]> {
  const files = fileNames(quick ? 5000 : 100_000);
  const list = join(root, "shared.txt");
  writeFileSync(list, files.map((file) => `${file}\n`).join(""));
  const order = Object.keys(ways) as SharedRun["who"][];
  const samples = new Map(order.map((who) => [who, [] as number[]]));
  await within(async (scope) => {
    const daemon = await startDaemon(scope, join(root, "shared"));
    for (let round = 0; round < rounds; round++) {
      for (const who of order) {
        syncDisks();
        samples.get(who)?.push(await runAll(scope, daemon, ways[who], list, files.length));
        say(`round ${round + 1} of ${rounds}: ${who}`);
      }
      order.reverse();
    }
    await daemon.stop();
  });
  return [...samples].map(([who, rounds]) => ({
    who,
    files: files.length,
    ms: rounded(median(rounds)),
    rounds: rounds.map(rounded),
  }));
}

/** The time from the start of the first runner to the exit of the last. */
async function runAll(
  scope: Scope,
  { client, socket }: Daemon,
  { runners, options }: { runners: number; options: string[] },
  list: string,
  count: number,
): Promise<number> {
  const id = "shared";
  const args = ["--socket", socket, "run", id, "--files-from", list, ...options, "--progress", "none"];
  const begun = performance.now();
  const ends = Array.from({ length: runners }, async () => {
    const child = spawn(process.execPath, [sessionctl, ...args, "--", "true", "{}"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    scope.defer(() => endProcess(child));
    const [code] = await once(child, "exit");
    if (code !== 0) throw new Error(`sessionctl run ended with ${code}`);
  });
  await Promise.all(ends);
  const ms = performance.now() - begun;
  const { processed_count } = await client.getSummary(id);
  if (processed_count !== count) throw new Error(`the runners did ${processed_count} of ${count} files`);
  await client.deleteSession(id, { purge: true });
  return ms;
}
