/** A daemon that stands still in the middle of a change, as on a machine that is suspended. */
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../support/postgres/database.ts";

describe.skipIf(withoutPostgres())("a daemon that stands still in the middle of a change", () => {
  test("keeps nobody from the session for long, and says truly whether its change was made", async () => {
    const { url } = await testDatabase();
    const storage = { postgres: url, lease_ttl: "1s", poll_interval: "200ms" };
    const [a, b] = [await startDaemon({ storage }), await startDaemon({ storage })];
    await a.client.createSession({
      session_id: "s",
      config: { target_path: "/src" },
      pending_files: ["1"],
    });
    const other = await connected(url);
    await other.query("begin; lock table sessiond.changes in exclusive mode");
    const paused = a.client.pauseSession("s");
    paused.catch(() => {});
    await eventually(async () => {
      const { rows } = await other.query("select from pg_locks where not granted");
      expect(rows).toHaveLength(1);
    });
    a.kill("SIGSTOP");
    // Now the server carries the statement out, and the transaction stays open, with the lock of the session.
    await other.query("commit");
    await b.client.reportProgress("s", { processed: ["1"] });
    a.kill("SIGCONT");
    // It makes the change anew, or refuses it if it finds its connection gone before it asks again.
    const status = await paused.then(
      () => "paused",
      (error: unknown) => {
        expect(error).toMatchObject({ code: "storage_unavailable", outcome: "not_applied" });
        return "running";
      },
    );
    expect(await b.client.getSummary("s")).toMatchObject({ status, processed_count: 1 });
  });
});

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}
