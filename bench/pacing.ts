/**
 * Measures how a run fares with a service that has a limit: how long it takes beside the shortest possible
 * time, and how many of its calls are refused. The peer is a loop with plain additive increase.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "./context.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { median, rounded } from "./measure.ts";
import { benchDirectory } from "./peers/packages.ts";
import { type CallEnd, plainIncrease } from "./plain-increase.ts";
import { endProcess, type Scope, within } from "./scope.ts";
import { fileNames } from "./work.ts";

export interface Paced {
  who: "sessionctl run" | "plain additive increase";
  calls: number;
  at_once: number;
  ms: number;
  /** The time beside the shortest possible one. */
  times_best: number;
  refused_percent: number;
  rounds: { ms: number; served: number; refused: number }[];
}

interface Round {
  ms: number;
  served: number;
  refused: number;
}

/** Relative to the bundle, which is in dist/bench or dist/tools. */
const sessionctl = resolve(import.meta.dirname, "../sessionctl.js");
const service = join(benchDirectory, "limited-service.mjs");
const atOnce = 8;
/** What the service is. */
const [bucketSize, perSecond, callMs] = [20, 20, 100];

export async function pacing({ root, quick, rounds, available, say }: Context): Promise<Paced[]> {
  if (available.skipped.has("curl")) return [];
  const calls = quick ? 300 : 1000;
  const bestMs = ((calls - bucketSize) / perSecond) * 1000 + callMs;
  const list = join(root, "calls.txt");
  writeFileSync(
    list,
    fileNames(calls)
      .map((file) => `${file}\n`)
      .join(""),
  );
  const samples: Record<Paced["who"], Round[]> = { "sessionctl run": [], "plain additive increase": [] };
  await within(async (scope) => {
    const socket = await startService(scope, join(root, "limited.sock"));
    const daemon = await startDaemon(scope, join(root, "pacing"));
    const line = commandLine(socket);
    for (let round = 0; round < rounds; round++) {
      samples["sessionctl run"].push(
        await measure(socket, () => run(scope, daemon, { id: `calls${round}`, list, line, calls })),
      );
      samples["plain additive increase"].push(
        await measure(socket, () => plainIncrease(calls, atOnce, () => call(line))),
      );
      say(`round ${round + 1} of ${rounds}`);
    }
    await daemon.stop();
  });
  return Object.entries(samples).map(([who, list]) => ({
    who: who as Paced["who"],
    calls,
    at_once: atOnce,
    ms: rounded(median(list.map(({ ms }) => ms))),
    times_best: rounded(median(list.map(({ ms }) => ms / bestMs))),
    refused_percent: rounded(median(list.map(({ served, refused }) => (100 * refused) / (served + refused)))),
    rounds: list.map(({ ms, ...counts }) => ({ ms: rounded(ms), ...counts })),
  }));
}

/** A line for a shell that makes one call: 0 if it was served, 75 if it was refused. */
function commandLine(socket: string): string {
  const curl = `curl -sv --noproxy '*' -o /dev/null -w '%{http_code}' --unix-socket ${socket}`;
  return `code=$(${curl} http://service/); [ "$code" = 200 ] || exit 75`;
}

async function measure(socket: string, task: () => Promise<void>): Promise<Round> {
  await get(socket, "/reset");
  const begun = performance.now();
  await task();
  const ms = performance.now() - begun;
  return { ms, ...(JSON.parse(await get(socket, "/counts")) as { served: number; refused: number }) };
}

async function run(
  scope: Scope,
  { client, socket }: Daemon,
  { id, list, line, calls }: { id: string; list: string; line: string; calls: number },
): Promise<void> {
  const options = ["--files-from", list, "-j", `${atOnce}`, "--progress", "none", "--shell"];
  const args = [sessionctl, "--socket", socket, "run", id, ...options, "--", `: {}; ${line}`];
  const child = spawn(process.execPath, args, { stdio: "ignore" });
  scope.defer(() => endProcess(child));
  const [code] = await once(child, "exit");
  const { processed_count } = await client.getSummary(id);
  if (code !== 0 || processed_count !== calls) {
    throw new Error(`sessionctl run ended with ${code} after ${processed_count} of ${calls} calls`);
  }
}

async function call(line: string): Promise<CallEnd> {
  const child = spawn("sh", ["-c", line], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  const [code] = await once(child, "close");
  if (code === 0) return "served";
  const seconds = /^< retry-after: (\d+)/im.exec(said)?.[1];
  if (code !== 75 || seconds === undefined) throw new Error(`a call ended with ${code}: ${said}`);
  return { retryAfterMs: Number(seconds) * 1000 };
}

async function startService(scope: Scope, socket: string): Promise<string> {
  const child = spawn(process.execPath, [service, socket], { stdio: ["ignore", "inherit", "inherit"] });
  scope.defer(() => endProcess(child));
  await firstAnswer(child, socket);
  return socket;
}

async function firstAnswer(child: ChildProcess, socket: string): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
    try {
      await get(socket, "/reset");
      return;
    } catch {
      await sleep(5);
    }
  }
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((done, fail) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => {
        text += part;
      });
      response.on("end", () => done(text));
    });
    asked.on("error", fail);
    asked.end();
  });
}
