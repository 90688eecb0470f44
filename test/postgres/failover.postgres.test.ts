/** A standby takes over from a primary that dies: what it had confirmed is there. */
import { describe, expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { type Cluster, testCluster, testStandby } from "../support/postgres/cluster.ts";
import { createDatabase, withoutPostgres } from "../support/postgres/database.ts";
import { testProxy } from "../support/postgres/proxy.ts";
import { Reporters } from "./reporters.ts";

/** A URL with several servers, of which one is the primary. */
function urlOfAll(servers: readonly Cluster[], database: string): string {
  const list = (of: (server: Cluster) => unknown) => encodeURIComponent(servers.map(of).join());
  const [hosts, ports] = [list(({ host }) => host), list(({ port }) => port)];
  return `postgres:///${database}?host=${hosts}&port=${ports}&user=postgres`;
}

async function synchronous(primary: Cluster, names: readonly string[]): Promise<void> {
  await primary.configure({ synchronous_standby_names: `ANY 1 (${names.join()})` });
  await eventually(async () => {
    const states = await primary.query("select sync_state from pg_stat_replication");
    expect(states).toEqual(names.map(() => ({ sync_state: "quorum" })));
  });
}

/** Commits that wait for a standby, and for how many seconds the first of them has waited. */
async function waiting(primary: Cluster): Promise<{ n: number; seconds: number }> {
  const [row] = await primary.query(
    `select count(*)::int as n, coalesce(extract(epoch from now() - min(state_change)), 0)::float as seconds
     from pg_stat_activity where wait_event = 'SyncRep'`,
  );
  return row as { n: number; seconds: number };
}

describe.skipIf(withoutPostgres())("a failover", () => {
  test("to a synchronous standby keeps what 64 writers were told, once and in order", async () => {
    const primary = await testCluster();
    const standby = await testStandby(primary, "second");
    await synchronous(primary, ["second"]);
    const { name } = await createDatabase(primary);
    const { client } = await startDaemon({ storage: { postgres: urlOfAll([primary, standby], name) } });
    const reporters = new Reporters({ client });
    await reporters.start();
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(500));

    await primary.kill();
    const killed = performance.now();
    await eventually(() =>
      expect(client.listSessions()).rejects.toMatchObject({ code: "storage_unavailable" }),
    );
    const before = reporters.acknowledged.length;
    await standby.promote();
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(before));
    process.stdout.write(`failover: ${Math.round(performance.now() - killed)} ms without a report\n`);
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(before + 500));
    await reporters.stop();
    await reporters.expectKept();
    expect(await client.getHealth()).toMatchObject({ status: "ok" });
  });

  test("to an asynchronous standby that lags loses reports: the check can tell", async () => {
    const primary = await testCluster();
    const network = await testProxy(primary);
    const standby = await testStandby(primary, "second", { via: network });
    const { name } = await createDatabase(primary);
    const { client } = await startDaemon({ storage: { postgres: urlOfAll([primary, standby], name) } });
    const reporters = new Reporters({ client });
    await reporters.start();
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(200));
    network.hold(true);
    const before = reporters.acknowledged.length;
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(before + 200));
    network.cut();
    network.refuse(true);
    await primary.kill();
    const told = reporters.acknowledged.length;
    await standby.promote();
    await eventually(() => expect(reporters.acknowledged.length).toBeGreaterThan(told));
    await reporters.stop();
    expect(await reporters.lost()).toBeGreaterThan(0);
  });

  test("waits for a standby: nothing is acknowledged or cancelled before, and it counts once", async () => {
    const primary = await testCluster();
    const networks = [await testProxy(primary), await testProxy(primary)] as const;
    const second = await testStandby(primary, "second", { via: networks[0] });
    const third = await testStandby(primary, "third", { via: networks[1] });
    await synchronous(primary, ["second", "third"]);
    const { name } = await createDatabase(primary);
    const { client } = await startDaemon({ storage: { postgres: urlOfAll([primary, second], name) } });
    await client.createSession({ session_id: "s", config: { target_path: "/src" } });
    let acknowledged = 0;
    const report = async (file: string) => {
      await client.reportProgress("s", { processed: [file] });
      acknowledged++;
    };
    const hold = (held: boolean) => {
      for (const network of networks) network.hold(held);
    };

    hold(true);
    const first = report("a");
    await eventually(async () => expect((await waiting(primary)).seconds).toBeGreaterThan(2));
    expect(acknowledged).toBe(0);
    hold(false);
    await first;
    expect((await client.getSession("s")).processed_files).toEqual(["a"]);

    // Neither standby has more than the other, so that one can follow the other.
    await eventually(async () => {
      const [{ behind } = {}] = await primary.query(
        "select count(*)::int as behind from pg_stat_replication where replay_lsn < pg_current_wal_lsn()",
      );
      expect(behind).toBe(0);
    });
    hold(true);
    const outcome = report("b").then(
      () => "acknowledged",
      (error: { code: string }) => error.code,
    );
    await eventually(async () => expect((await waiting(primary)).n).toBeGreaterThan(0));
    expect(primary.log()).not.toMatch(/cancel/);
    for (const network of networks) {
      network.refuse(true);
      network.cut();
    }
    await primary.kill();
    await second.promote();
    await third.follow(second, "third");
    await synchronous(second, ["third"]);
    expect(["acknowledged", "storage_unavailable"]).toContain(await outcome);
    await eventually(() => report("b"));
    expect((await client.getSession("s")).processed_files).toEqual(["a", "b"]);
    await eventually(async () => expect((await client.getInfo()).store).toMatchObject({ durable: "quorum" }));
  });
});
