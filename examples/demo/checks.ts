/** Checks what the story claims, against a count of its own. */
import assert from "node:assert/strict";
import type { Session } from "../../src/client/index.ts";
import type { Job } from "./job.ts";

/** Every file has exactly one result, and it is the right one. Returns the files that failed. */
export function checkResults(job: Job, session: Session): string[] {
  const files = [...job.files].sort();
  assert.deepEqual([...session.processed_files].sort(), files, "not every file is done exactly once");
  assert.deepEqual(session.pending_files, [], "files are left");
  assert.deepEqual(Object.keys(session.partial_results).sort(), files, "not every file has a result");
  const failed = files.filter((file) => {
    const { exit_code, stdout } = session.partial_results[file] as { exit_code: number; stdout: unknown };
    const expected = job.recount(file);
    assert.deepEqual(
      { exit_code: Number(exit_code), stdout },
      expected === undefined ? { exit_code: 1, stdout: "" } : { exit_code: 0, stdout: expected },
      `the result of ${file} is wrong`,
    );
    return expected === undefined;
  });
  assert.equal(session.status, "failed", "a session with failed files has failed");
  return failed;
}

/**
 * Only files that were in flight when the run was killed ran twice: their command was started, and they were
 * not done. Returns how many those are.
 * @param done the files that were done after the kill
 */
export function checkRepeated(job: Job, done: readonly string[]): number {
  const started = job.started();
  const repeated = started.filter((file, index) => started.indexOf(file) !== index);
  assert.deepEqual([...new Set(started)].sort(), [...job.files].sort(), "not every file was run");
  assert.equal(new Set(repeated).size, repeated.length, "a file ran three times");
  const doneBefore = new Set(done);
  const others = repeated.filter((file) => doneBefore.has(file));
  assert.deepEqual(others, [], "files ran again that were done");
  return repeated.length;
}
