import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseJson } from "../../src/client/index.ts";
import { type Job, missing } from "./job.ts";
import { measure } from "./source-files.ts";
import { count, heading, say } from "./talk.ts";

const sampleSize = 25;

/** Does the rest, completes the session, and compares all of it with what should be there. */
export async function finish(job: Job, root: string, sessionsDir: string): Promise<void> {
  const { id, files, worker, operator } = job;
  heading("On to the end");
  const { pending_files } = await operator.getSession(id);
  assert.deepEqual(pending_files, missing(job), "what is pending is not what was not acknowledged");
  const stop = await worker.work(pending_files, () => {});
  assert.equal(stop, "finished", `the worker was to finish, but is ${stop}`);
  await operator.completeSession(id);

  const session = await operator.getSession(id);
  assert.equal(session.status, "completed", "the session is not completed");
  assert.deepEqual(session.pending_files, [], "files are left over");
  assert.deepEqual([...session.processed_files].sort(), files, "not every file is processed exactly once");
  assert.deepEqual(session.partial_results, Object.fromEntries(worker.acknowledged), "the results differ");
  say(`completed: ${count(files.length)} files, each processed once`);

  for (const file of files) {
    assert.equal(worker.reads.get(file), 1, `${file} was read ${worker.reads.get(file) ?? 0} times`);
  }
  say("each was read exactly once, over pause, kill and restart");

  for (let n = 0; n < sampleSize; n++) {
    const file = files[randomInt(files.length)] as string;
    const fresh = await measure(join(root, file));
    assert.deepEqual(
      session.partial_results[file],
      fresh,
      `the result of ${file} is not what is measured now`,
    );
  }
  say(`${sampleSize} of them, picked at random and measured again, are the same`);

  const onDisk = parseJson(await readFile(join(sessionsDir, `${id}.json`), "utf8"));
  assert.deepEqual(onDisk, session, "the JSON file differs from what the daemon answers");
  say("the JSON file on disk says the same");
}
