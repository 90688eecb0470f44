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
  /** Reports that were sent and not answered when the daemon was killed. */
  inFlight: number;
  /** Acknowledged files, each looked up after the restart. */
  checked: number;
  lost: number;
}

/** Works up to two thirds, with a daemon that is killed while reports are in flight, and starts it again. */
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
    // Not waited for: the worker is to go on until the daemon does not.
    killing ??= killInFlight(worker, daemon);
  });
  assert.equal(stop, "disconnected", `the daemon was to be killed in mid-run, but the worker is ${stop}`);
  const inFlight = (await killing) ?? 0;
  await daemon.gone();
  const acknowledged = new Map(worker.acknowledged);
  say(`killed with ${inFlight} reports in flight; ${count(acknowledged.size)} files were acknowledged`);

  const restarted = await home.start();
  say(`started again; it answers after ${time(restarted.startMs)}`);

  const session = await operator.getSession(id);
  const processed = new Set(session.processed_files);
  const intact = [...acknowledged].filter(
    ([file, result]) => processed.has(file) && isDeepStrictEqual(session.partial_results[file], result),
  );
  const lost = acknowledged.size - intact.length;
  assert.equal(lost, 0, `${lost} acknowledged files are lost`);
  assert.equal(session.status, "running", "the session does not run any more");
  say(`all ${count(acknowledged.size)} acknowledged files are there, with their results`);

  const reports = worker.unacknowledged;
  assert.ok(reports.length > 0, "every report was acknowledged, so the kill came too late");
  const again = reports.flatMap((report) => report.processed);
  assert.ok(!again.some((file) => acknowledged.has(file)), "an acknowledged file would be reported again");
  const kept = reports.filter((report) => report.processed.every((file) => processed.has(file))).length;
  await worker.reportAgain();
  say(`${reports.length} reports had no answer, ${kept} of them kept all the same; reported again`);
  return { daemon: restarted, inFlight, checked: acknowledged.size, lost };
}

/**
 * Kills at a moment that nothing was timed for. The daemon is frozen there first: whatever it was in the middle of stays
 * undone, and a report that is sent now is in flight for certain. Resolves with how many were.
 */
async function killInFlight(worker: Worker, daemon: RunningDaemon): Promise<number> {
  await sleep(randomInt(longestWaitMs));
  daemon.freeze();
  for (let tries = 0; worker.inFlight === 0 && tries < mostTries; tries++) await sleep(1);
  assert.ok(worker.inFlight > 0, "no report was in flight when the daemon was to be killed");
  const { inFlight } = worker;
  daemon.kill();
  return inFlight;
}
