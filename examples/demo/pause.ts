import assert from "node:assert/strict";
import { type Job, missing } from "./job.ts";
import { count, heading, say, time } from "./talk.ts";

const reason = "the machine is needed for something else";

/** Works up to a third of the files, is paused by somebody else, and gets the session back. */
export async function pauseAndResume(job: Job): Promise<{ noticedMs: number }> {
  const { id, files, worker, operator } = job;
  heading("Pause from a second client");
  let pausing: Promise<number> | undefined;
  const pause = async () => {
    await operator.pauseSession(id, { reason });
    return performance.now();
  };
  const stop = await worker.work(files, () => {
    if (worker.acknowledged.size < files.length / 3) return;
    pausing ??= pause();
    return pausing;
  });
  assert.equal(stop, "paused", `the worker was to be paused, but is ${stop}`);
  const noticedMs = performance.now() - ((await pausing) ?? Number.NaN);

  const summary = await operator.getSummary(id);
  assert.equal(summary.status, "paused", "the session is not paused");
  assert.equal(summary.status_reason, reason, "the reason of the pause is lost");
  assert.equal(summary.processed_count, worker.acknowledged.size, "not all acknowledged files are there");
  assert.equal(summary.pending_count, files.length - worker.acknowledged.size, "pending files are lost");
  say(`paused: ${count(summary.processed_count)} files done, ${count(summary.pending_count)} pending`);
  say(`the worker learned it from its next report and stopped ${time(noticedMs)} later`);

  const session = await operator.resumeSession(id);
  assert.equal(session.status, "running", "the session does not run again");
  assert.deepEqual(session.pending_files, missing(job), "what is pending is not what was not acknowledged");
  say("resumed: the session comes back with exactly the files that were not done");
  return { noticedMs };
}
