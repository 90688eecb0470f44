/** The demo's part on cleanup: dry run, removal, and undo from the trash. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CleanupResult, PolicyName, Session, SessionClient, Status } from "../../src/client/index.ts";
import { heading, say } from "./talk.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const pinnedId = "pinned-release-audit";

export interface CleanupFigures {
  removed: Readonly<Record<PolicyName, number>>;
  kept: number;
}

/** Runs each policy with its default rule, first as a dry run and then for real. */
export async function cleanUp(client: SessionClient, sessionsDir: string): Promise<CleanupFigures> {
  heading("Cleanup");
  await makeOldSessions(client);
  const { sessions: completed } = await client.listSessions({ status: "completed" });
  const expected: Record<PolicyName, string[]> = {
    completed: completed
      .filter(({ pinned }) => !pinned)
      .slice(10)
      .map(({ session_id }) => session_id),
    expired: ["expired-running-31d", "expired-paused-45d", "expired-running-90d"],
    failed: ["failed-8d", "failed-12d", "failed-20d"],
  };
  const undo = expected.completed[0] as string;
  const file = join(sessionsDir, `${undo}.json`);
  const before = { session: await client.getSession(undo), bytes: await readFile(file) };

  const removed = { completed: 0, expired: 0, failed: 0 };
  for (const policy of ["completed", "expired", "failed"] as const) {
    removed[policy] = await runPolicy(client, policy, expected[policy]);
  }
  assert.ok(await client.sessionExists(pinnedId), "the pinned session was removed");
  say("the pinned session, the oldest of all, is still there");

  assert.ok(!(await client.sessionExists(undo)), `${undo} is still there`);
  await client.restoreTrash(undo);
  assert.deepEqual(await client.getSession(undo), before.session, "the restored session differs");
  assert.deepEqual(await readFile(file), before.bytes, "the restored file differs");
  say(`${undo} was restored from the trash, identical to the byte`);

  const { total } = await client.getStats();
  return { removed, kept: total };
}

async function runPolicy(
  client: SessionClient,
  policy: PolicyName,
  expected: readonly string[],
): Promise<number> {
  const { total } = await client.getStats();
  const planned = await client.runCleanup(policy, { dry_run: true });
  assert.equal(planned.outcome, "planned", `the dry run of ${policy} is ${planned.outcome}`);
  assert.equal((await client.getStats()).total, total, "the dry run changed something");

  const done = await client.runCleanup(policy);
  assert.equal(done.outcome, "done", `the cleanup of ${policy} is ${done.outcome}`);
  assert.deepEqual(done.failures, [], `some removals of ${policy} failed`);
  assert.deepEqual(done.decisions, planned.decisions, "the dry run decided differently");
  assert.equal(done.plan_id, planned.plan_id, "the dry run had another plan");
  assert.deepEqual(removals(done).sort(), [...expected].sort(), `${policy} removed other sessions`);
  for (const id of expected) assert.ok(!(await client.sessionExists(id)), `${id} is still there`);
  assert.equal((await client.getStats()).total, total - expected.length, "other sessions were removed too");
  say(`${policy}: ${done.rule}; removed ${done.removed} of ${done.total}, as the dry run said`);
  return done.removed;
}

function removals({ decisions }: CleanupResult): string[] {
  return decisions.filter(({ action }) => action === "remove").map(({ session_id }) => session_id);
}

async function makeOldSessions(client: SessionClient): Promise<void> {
  const completed = Array.from({ length: 15 }, (_, index) =>
    oldSession(`nightly-${String(index + 1).padStart(2, "0")}`, "completed", (index + 1) * 6 * hourMs),
  );
  const sessions = [
    ...completed,
    { ...oldSession(pinnedId, "completed", 200 * dayMs), pinned: true },
    oldSession("failed-1h", "failed", hourMs),
    oldSession("failed-8d", "failed", 8 * dayMs),
    oldSession("failed-12d", "failed", 12 * dayMs),
    oldSession("failed-20d", "failed", 20 * dayMs),
    oldSession("expired-running-31d", "running", 31 * dayMs),
    oldSession("expired-paused-45d", "paused", 45 * dayMs),
    oldSession("expired-running-90d", "running", 90 * dayMs),
  ];
  for (const session of sessions) await client.saveSession(session);
  say(`added ${sessions.length} older sessions, one of them pinned`);
}

function oldSession(session_id: string, status: Status, ageMs: number): Session {
  return {
    session_id,
    status,
    config: { target_path: "/srv/project" },
    processed_files: ["index.js"],
    pending_files: status === "completed" ? [] : ["server.js"],
    partial_results: { "index.js": { lines: 120 } },
    checkpoint_time: new Date(Date.now() - ageMs).toISOString(),
  };
}
