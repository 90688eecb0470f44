/** Measures how long a start takes until a directory is served, and the memory for each indexed session. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Context, syncDisks } from "./context.ts";
import { startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { benchDirectory } from "./peers/packages.ts";
import { inotifyWatches, rssBytes } from "./process-facts.ts";
import { within } from "./scope.ts";
import { fillDirectory } from "./work.ts";

export interface StartUp {
  files: number;
  who: "sessiond, first start" | "sessiond, next start" | "Node.js, stat all" | "Node.js, parse all";
  /** The time from the spawn to the first answer. For Node.js: to the end of the work. */
  total_ms: number;
  /** The time above that for an empty directory. */
  above_empty_ms: number;
  rss_mib: number | null;
  stall_ms: number | null;
  rounds: number[];
}

export interface StartUps {
  list: StartUp[];
  /** The daemon's resident memory for each session, after a start with the largest directory. */
  rss_bytes_per_session: number;
  inotify_watches: number;
}

type Who = StartUp["who"];
interface Sample {
  ms: number;
  rss: number | null;
  stall: number | null;
  watches: number;
}

export const largestDirectory = 100_000;

/** Creates the directory at the first call. Other parts use it too. */
export function filledDirectory({ root, say }: Context, count: number): string {
  const directory = join(root, `sessions-${count}`);
  made.get(directory) ?? say(`writing ${count.toLocaleString("en")} session files`);
  if (!made.has(directory)) made.set(directory, fillDirectory(directory, count));
  return directory;
}
const made = new Map<string, string>();

export async function startUps(context: Context): Promise<StartUps> {
  const counts = context.quick ? [0, 10_000, largestDirectory] : [0, 1000, 10_000, largestDirectory];
  const samples = new Map<string, Sample[]>();
  const add = (count: number, who: Who, sample: Sample) => {
    const key = `${count} ${who}`;
    samples.set(key, [...(samples.get(key) ?? []), sample]);
  };
  for (const count of counts) filledDirectory(context, count);
  syncDisks();
  for (let round = 0; round < context.rounds; round++) {
    for (const count of counts) {
      const directory = filledDirectory(context, count);
      rmSync(join(directory, ".sessiond"), { recursive: true, force: true });
      add(count, "sessiond, first start", await start(directory));
      add(count, "sessiond, next start", await start(directory));
      add(count, "Node.js, stat all", await listFiles("stat", directory));
      add(count, "Node.js, parse all", await listFiles("parse", directory));
    }
    context.say(`round ${round + 1} of ${context.rounds}`);
  }

  const of = (count: number, who: Who) => samples.get(`${count} ${who}`) as Sample[];
  const list = counts.slice(1).flatMap((files) =>
    ["sessiond, first start", "sessiond, next start", "Node.js, stat all", "Node.js, parse all"].map(
      (name) => {
        const who = name as Who;
        const empty = median(of(0, who).map(({ ms }) => ms));
        const above = of(files, who).map(({ ms }) => rounded(ms - empty));
        const [rss, stall] = [of(files, who).map(({ rss }) => rss), of(files, who).map(({ stall }) => stall)];
        return {
          files,
          who,
          total_ms: rounded(median(of(files, who).map(({ ms }) => ms))),
          above_empty_ms: median(above),
          rss_mib: rss[0] === null ? null : rounded(median(rss as number[]) / 2 ** 20),
          stall_ms: stall[0] === null ? null : rounded(Math.max(...(stall as number[]))),
          rounds: above,
        };
      },
    ),
  );
  const rss = (count: number) => median(of(count, "sessiond, next start").map(({ rss }) => rss as number));
  return {
    list,
    rss_bytes_per_session: Math.round((rss(largestDirectory) - rss(0)) / largestDirectory),
    inotify_watches: (of(largestDirectory, "sessiond, next start")[0] as Sample).watches,
  };
}

function start(directory: string): Promise<Sample> {
  return within(async (scope) => {
    const daemon = await startDaemon(scope, directory);
    // The daemon frees the memory of its start within the first second.
    await sleep(1000);
    const [rss, watches] = [rssBytes(daemon.pid), inotifyWatches(daemon.pid)];
    const stall = await daemon.longestStall();
    await daemon.stop();
    return { ms: daemon.readyMs, rss, stall, watches };
  });
}

async function listFiles(what: "stat" | "parse", directory: string): Promise<Sample> {
  const begun = performance.now();
  const child = spawn(process.execPath, [join(benchDirectory, "list-files.mjs"), what, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  await once(child.stdout, "data");
  const ms = performance.now() - begun;
  await ended;
  return { ms, rss: null, stall: null, watches: 0 };
}
