/**
 * The demo's part on a crash: the daemon is killed while reports are in flight, and nothing acknowledged is
 * lost.
 */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { DaemonHome, RunningDaemon } from "./daemon-process.ts";
import { type Job, missing } from "./job.ts";
import { count, heading, say, time } from "./talk.ts";
import type { Worker } from "./worker.ts";

const longestWaitMs = 30;
const mostTries = 1000;

export interface CrashFigures {
  daemon: RunningDaemon;
  /** Reports without an answer when the daemon was killed. */
  inFlight: number;
  /** Acknowledged files that were checked after the restart. */
  checked: number;
  lost: number;
}

/** Works until two thirds are done, kills the daemon while reports are in flight, and starts it again. */
export async function killAndRestart(
  job: Job,
  home: DaemonHome,
  daemon: RunningDaemon,
): Promise<CrashFigures> {
  const { id, files, worker, operator } = job;
  heading("kill -9 while reports are in flight");
  let killing: Promise<number> | undefined;
  const stop = await worker.work(missing(job), () => {
    if (worker.acknowledged.size < (files.length * 2) / 3) return;
    // Not awaited, so that the worker goes on until the daemon is gone.
    killing ??= killInFlight(worker, daemon);
  });
  assert.equal(stop, "disconnected", `expected the worker to be disconnected, but it is ${stop}`);
  const inFlight = (await killing) ?? 0;
  await daemon.gone();
  const acknowledged = new Map(worker.acknowledged);
  say(`killed with ${inFlight} reports in flight; ${count(acknowledged.size)} files were acknowledged`);

  const restarted = await home.start();
  say(`restarted; it answers after ${time(restarted.startMs)}`);

  const session = await operator.getSession(id);
  const processed = new Set(session.processed_files);
  const intact = [...acknowledged].filter(
    ([file, result]) => processed.has(file) && isDeepStrictEqual(session.partial_results[file], result),
  );
  const lost = acknowledged.size - intact.length;
  assert.equal(lost, 0, `${lost} acknowledged files are lost`);
  assert.equal(session.status, "running", "the session is no longer running");
  say(`all ${count(acknowledged.size)} acknowledged files are there, with their results`);

  const reports = worker.unacknowledged;
  assert.ok(reports.length > 0, "every report was acknowledged, so the kill came too late");
  const again = reports.flatMap((report) => report.processed);
  assert.ok(!again.some((file) => acknowledged.has(file)), "an acknowledged file would be reported again");
  const kept = reports.filter((report) => report.processed.every((file) => processed.has(file))).length;
  await worker.reportAgain();
  say(`${reports.length} reports had no answer, ${kept} of them were stored anyway; all reported again`);
  return { daemon: restarted, inFlight, checked: acknowledged.size, lost };
}

/**
 * Kills the daemon at a random moment. It is frozen first, so that it cannot finish what it was doing, and
 * reports that are sent now are certainly in flight. Resolves with the number of reports in flight.
 */
async function killInFlight(worker: Worker, daemon: RunningDaemon): Promise<number> {
  await sleep(randomInt(longestWaitMs));
  daemon.freeze();
  for (let tries = 0; worker.inFlight === 0 && tries < mostTries; tries++) await sleep(1);
  assert.ok(worker.inFlight > 0, "no report was in flight when the daemon was frozen");
  const { inFlight } = worker;
  daemon.kill();
  return inFlight;
}
