/** The demo's part on pausing: a second client pauses the session and resumes it. */
import assert from "node:assert/strict";
import { type Job, missing } from "./job.ts";
import { count, heading, say, time } from "./talk.ts";

const reason = "the machine is needed for something else";

/** Works until a third of the files is done. Then the operator pauses and resumes the session. */
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
  assert.equal(stop, "paused", `expected the worker to be paused, but it is ${stop}`);
  const noticedMs = performance.now() - ((await pausing) ?? Number.NaN);

  const summary = await operator.getSummary(id);
  assert.equal(summary.status, "paused", "the session is not paused");
  assert.equal(summary.status_reason, reason, "the reason of the pause is lost");
  assert.equal(summary.processed_count, worker.acknowledged.size, "acknowledged files are missing");
  assert.equal(summary.pending_count, files.length - worker.acknowledged.size, "pending files are lost");
  say(`paused: ${count(summary.processed_count)} files done, ${count(summary.pending_count)} pending`);
  say(`the reply to its next report told the worker, which stopped after ${time(noticedMs)}`);

  const session = await operator.resumeSession(id);
  assert.equal(session.status, "running", "the session is not running again");
  assert.deepEqual(session.pending_files, missing(job), "the pending files are not the unacknowledged ones");
  say("resumed: exactly the files without an acknowledged report are pending");
  return { noticedMs };
}
