/** Three real daemons on one database: one of them cleans up, and another one finishes what it began. */
import { describe, expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { attachWorker } from "../server/channel/channel-worker.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { type TestDatabase, testDatabase, withoutPostgres } from "../support/postgres/database.ts";

const minuteMs = 60_000;
/** Only the job `expired` runs by itself, and its next scheduled time is far away. */
const config = `cleanup:
  max_delete_ratio: 1
  expired: { enabled: true, schedule: "0 0 1 1 *", max_age: 30d }
  completed: { enabled: false }
  failed: { enabled: false }
trash: { enabled: false }
`;

/** Makes it look as if all daemons had been away when the job was due, a minute ago. */
async function missed({ query }: TestDatabase): Promise<void> {
  const next_run = new Date(Math.floor(Date.now() / minuteMs) * minuteMs - minuteMs).toISOString();
  const due = { job: "expired", schedule: "0 0 1 1 *", timezone: "UTC", next_run, last_run: null };
  const value = JSON.stringify({ jobs: [due] });
  await query(
    `insert into sessiond.records values ('schedule', convert_to($1, 'UTF8'))
     on conflict (name) do update set value = excluded.value`,
    [value],
  );
}

/**
 * With a short `lease_ttl` where a daemon is to be lost, and a longer one where none may be on a busy
 * machine.
 */
async function withOldSessions(count: number, lease_ttl: string) {
  const database = await testDatabase();
  const storage = { postgres: database.url, lease_ttl, poll_interval: "200ms" };
  const start = () => startDaemon({ storage, config });
  const first = await start();
  const { client } = first;
  const old = { config: { target_path: "/src" }, processed_files: [], partial_results: {} };
  const save = (session_id: string, more = {}) =>
    client.saveSession({
      session_id,
      ...{ ...old, pending_files: [], checkpoint_time: "2020-01-01T00:00:00Z", status: "completed", ...more },
    } as never);
  for (let at = 0; at < count; at += 100)
    await Promise.all(Array.from({ length: Math.min(100, count - at) }, (_, n) => save(`old-${at + n}`)));
  await save("pinned", { pinned: true });
  await save("leased", { status: "running", pending_files: ["a"] });
  await client.createSession({ session_id: "fresh", config: { target_path: "/src" } });
  return { database, start, first };
}

const lastRun = async (client: SessionClient) =>
  (await client.getCleanup()).jobs.find(({ job }) => job === "expired")?.last_run;

async function removedIds(client: SessionClient): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.getCleanupHistory({ limit: 1000, ...(cursor ? { cursor } : {}) });
    ids.push(...page.entries.map(({ session_id }) => session_id));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

describe.skipIf(withoutPostgres())("cleanup over three daemons", () => {
  test("a run that is due on all of them is made by one", async () => {
    const { database, start, first } = await withOldSessions(200, "1min");
    const worker = await attachWorker(first.socket, "leased");
    await missed(database);
    const daemons = await Promise.all([start(), start(), start()]);
    const [{ client }] = daemons;
    await eventually(async () => expect(await lastRun(client)).toMatchObject({ removed: 200 }));
    for (const daemon of daemons)
      expect(await lastRun(daemon.client)).toMatchObject({ trigger: "catch_up", outcome: "done" });
    expect(
      await database.query("select count(*)::int as n from sessiond.slots where ended is not null"),
    ).toEqual([{ n: 1 }]);
    const passes = daemons.filter(({ stderr }) => stderr().includes("cleanup of expired sessions: done"));
    expect(passes).toHaveLength(1);
    expect(new Set(await removedIds(client)).size).toBe(200);
    const left = (await client.listSessions({ limit: 10 })).sessions.map(({ session_id }) => session_id);
    expect(left.sort()).toEqual(["fresh", "leased", "pinned"]);
    expect(worker.isOpen).toBe(true);
  });

  test("another one finishes what a killed one began, and removes nothing that must stay", async () => {
    const { database, start, first } = await withOldSessions(500, "1s");
    // Each removal takes its time, so that the daemon is killed in the middle, also on a busy machine.
    await database.query(`create function wait() returns trigger language plpgsql as $$
      begin perform pg_sleep(0.01); return new; end $$`);
    await database.query(`create trigger wait before update of removed_us on sessiond.sessions
      for each row execute function wait()`);
    const worker = await attachWorker(first.socket, "leased");
    await missed(database);
    const daemons = await Promise.all([start(), start()]);
    const removed = async () =>
      (
        (
          await database.query(
            "select count(*)::int as n from sessiond.sessions where removed_us is not null",
          )
        )[0] as { n: number }
      ).n;
    await eventually(async () => expect(await removed()).toBeGreaterThan(50));
    const [slot] = await database.query("select owner from sessiond.slots");
    const winner = daemons.find(({ socket }) => String(slot?.owner).endsWith(socket));
    winner?.kill("SIGKILL");
    await winner?.exited;
    expect(winner).toBeDefined();
    await database.query("drop trigger wait on sessiond.sessions");
    // Somebody takes up one of those that are to go while nobody is at it.
    const before = await removed();
    expect(before).toBeLessThan(500);
    const [next] = await database.query(
      "select id from sessiond.sessions where removed_us is null and id like 'old-%' order by checkpoint_us desc, id desc limit 1",
    );
    await first.client.editSession(String(next?.id), { pinned: true });
    const survivor = daemons.find((daemon) => daemon !== winner) as (typeof daemons)[0];
    await eventually(async () => expect(await lastRun(survivor.client)).toMatchObject({ outcome: "done" }));
    const left = (await survivor.client.listSessions({ limit: 10 })).sessions;
    expect(left.map(({ session_id }) => session_id).sort()).toEqual(
      ["fresh", "leased", String(next?.id), "pinned"].sort(),
    );
    expect(worker.isOpen).toBe(true);
    await worker.report(1, { processed: ["a"] });
    expect(survivor.stderr()).toContain("was begun and not finished: going on with it");
  });
});
