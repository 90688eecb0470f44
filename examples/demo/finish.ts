/** The demo's part that completes the session and checks its content. */
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "../../src/client/index.ts";
import { type Job, missing } from "./job.ts";
import { measure } from "./source-files.ts";
import { count, heading, say } from "./talk.ts";

const sampleSize = 25;

/**
 * Works through the remaining files, completes the session, and compares its content with the expected one.
 */
export async function finish(job: Job, root: string, sessionsDir: string): Promise<void> {
  const { id, files, worker, operator } = job;
  heading("The remaining files");
  const { pending_files } = await operator.getSession(id);
  assert.deepEqual(pending_files, missing(job), "the pending files are not the unacknowledged ones");
  const stop = await worker.work(pending_files, () => {});
  assert.equal(stop, "finished", `expected the worker to finish, but it is ${stop}`);
  await operator.completeSession(id);

  const session = await operator.getSession(id);
  assert.equal(session.status, "completed", "the session is not completed");
  assert.deepEqual(session.pending_files, [], "files are still pending");
  assert.deepEqual([...session.processed_files].sort(), files, "not every file is processed exactly once");
  assert.deepEqual(session.partial_results, Object.fromEntries(worker.acknowledged), "the results differ");
  say(`completed: ${count(files.length)} files, each processed once`);

  for (const file of files) {
    assert.equal(worker.reads.get(file), 1, `${file} was read ${worker.reads.get(file) ?? 0} times`);
  }
  say("each was read exactly once, despite pause, kill and restart");

  for (let n = 0; n < sampleSize; n++) {
    const file = files[randomInt(files.length)] as string;
    const fresh = await measure(join(root, file));
    assert.deepEqual(
      session.partial_results[file],
      fresh,
      `the stored result of ${file} differs from a new measurement`,
    );
  }
  say(`${sampleSize} of them, picked at random, were measured again with the same result`);

  const onDisk = parseJson(await readFile(join(sessionsDir, `${id}.json`), "utf8"));
  assert.deepEqual(onDisk, session, "the JSON file differs from the daemon's reply");
  say("the JSON file on disk has the same content");
}
