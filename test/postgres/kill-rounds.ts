/**
 * Three daemons on one PostgreSQL, with writers and shared workers at work on each, while daemons, workers,
 * the database and connections are killed at random. After each round everything that was acknowledged is
 * there, once, whichever daemon is asked.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import type { Session } from "../../src/session/session.ts";
import { fieldsOf, KillAccount } from "../e2e/kill-account.ts";
import { type DaemonProcess, type Program, startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { type Cluster, testCluster, urlOf } from "../support/postgres/cluster.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { testPgBouncer } from "../support/postgres/pgbouncer.ts";
import { type NetworkProxy, testProxy } from "../support/postgres/proxy.ts";
import { tempDir } from "../support/temp-dir.ts";
import { SharedAccount } from "./shared-account.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures");
const sharedFiles = 120;
const workersEach = 2;
/** Sessions that the next round goes on with, on another daemon. */
const goingOn = 6;
const config = [
  "worker: { reattach_grace: 1s, on_lost: leave }",
  // What is complete stays until it was looked at, whatever the hour.
  "cleanup: { completed: { enabled: false } }",
  "log: { level: warn }",
].join("\n");

export interface KillReport {
  acknowledged: number;
  /** Files that shared workers worked on more than once, because they were in flight at a kill. */
  twice: number;
  kills: Record<string, number>;
}

const kinds = ["daemon", "worker", "database", "backends", "network"] as const;
type Kind = (typeof kinds)[number];

interface Host {
  daemon: DaemonProcess;
  proxy: NetworkProxy;
}

interface SharedWorker {
  program: Program;
  number: number;
  host: Host;
}

export async function killRounds(rounds: number): Promise<KillReport> {
  const base = await tempDir();
  const cluster = await testCluster();
  const { name } = await createDatabase(cluster);
  const bouncer = await testPgBouncer(cluster);
  const hosts: Host[] = [];
  // One of the three is behind PgBouncer.
  for (const way of [cluster, cluster, bouncer]) {
    const proxy = await testProxy(way);
    const storage = { postgres: urlOf(proxy, name), lease_ttl: "2s", poll_interval: "200ms" };
    hosts.push({ proxy, daemon: await startDaemon({ storage, config }) });
  }
  const account = new KillAccount();
  const report: KillReport = { acknowledged: 0, twice: 0, kills: {} };
  let goOn: Record<string, object>[] = hosts.map(() => ({}));
  for (let round = 0; round < rounds; round++) {
    try {
      const { files, twice } = await playRound({ round, base, cluster, hosts, goOn, kills: report.kills });
      for (const file of files) account.read(file);
      report.twice += twice;
      const found = await sessionsOf((hosts[0] as Host).daemon.client);
      account.check(found);
      await expectSame(hosts, found);
      goOn = await clearAway(account, pick(hosts).daemon.client);
    } catch (error) {
      (error as Error).message = `round ${round}: ${(error as Error).message}`;
      throw error;
    }
  }
  expect(cluster.log()).not.toContain("deadlock detected");
  return { ...report, acknowledged: account.acknowledged };
}

interface Round {
  round: number;
  base: string;
  cluster: Cluster;
  hosts: Host[];
  goOn: readonly Record<string, object>[];
  kills: Record<string, number>;
}

async function playRound({ round, base, cluster, hosts, goOn, kills }: Round) {
  const id = `shared-${round}`;
  const files = Array.from({ length: sharedFiles }, (_, at) => `f${at}`);
  await pick(hosts).daemon.client.createSession({
    session_id: id,
    config: { target_path: "/src" },
    pending_files: files,
  });
  const shared = new SharedAccount();
  const workers: SharedWorker[] = [];
  const startWorker = async (host: Host) => {
    const path = join(base, `shared-${round}-${workers.length}`);
    writeFileSync(path, "");
    const script = join(fixtures, "sharing-worker.mjs");
    const program = await startProgram(script, [host.daemon.socket, id, path]);
    workers.push({ program, number: shared.add(path), host });
  };
  for (const host of hosts) for (let count = 0; count < workersEach; count++) await startWorker(host);
  const writers = await Promise.all(
    hosts.map(async ({ daemon }, number) => {
      const [path, planFile] = [
        join(base, `account-${round}-${number}`),
        join(base, `plan-${round}-${number}`),
      ];
      const plan = { lanes: 2, inFlight: 8, restMs: 0, outside: "never", goOn: goOn[number] };
      writeFileSync(planFile, JSON.stringify({ ...plan, prefix: `r${round}-${number}` }));
      writeFileSync(path, "");
      const script = join(fixtures, "writer.mjs");
      return { path, program: await startProgram(script, [daemon.socket, path, planFile]) };
    }),
  );
  const enough = 30 + Math.random() * 300;
  const acknowledged = () =>
    writers.reduce((sum, { path }) => sum + readFileSync(path, "utf8").split('"ack"').length - 1, 0);
  await eventually(() => expect(acknowledged()).toBeGreaterThan(enough));

  for (let count = 1 + below(3); count > 0; count--) {
    const kind = pick(kinds);
    kills[kind] = (kills[kind] ?? 0) + 1;
    await kill(kind, { cluster, hosts, workers, shared, startWorker });
    await sleep(Math.random() * 300);
  }

  for (const { program } of writers) {
    program.kill("SIGKILL");
    const { code } = await program.exited;
    expect(code ?? 0, program.stderr()).toBe(0);
  }
  // The last files are worked on when every lease of a killed worker has ended.
  for (const { program } of workers) {
    const { code, signal } = await program.exited;
    expect(code === 0 || signal === "SIGKILL", program.stderr()).toBe(true);
  }
  const { twice } = shared.check(await pick(hosts).daemon.client.getSession(id), files);
  await pick(hosts).daemon.client.deleteSession(id, { purge: true });
  return { files: writers.map(({ path }) => path), twice };
}

interface Killing {
  cluster: Cluster;
  hosts: Host[];
  workers: SharedWorker[];
  shared: SharedAccount;
  startWorker: (host: Host) => Promise<void>;
}

/** Whatever was killed runs again when this resolves. */
async function kill(kind: Kind, { cluster, hosts, workers, shared, startWorker }: Killing): Promise<void> {
  const host = pick(hosts);
  if (kind === "daemon") {
    host.daemon.kill("SIGKILL");
    await host.daemon.exited;
    // Sometimes so late that the others take over its leases.
    await sleep(below(2) === 0 ? 0 : Math.random() * 4000);
    host.daemon = await host.daemon.restart();
  } else if (kind === "worker") {
    const { program, number, host: its } = pick(workers);
    program.kill("SIGKILL");
    await program.exited;
    shared.killed(number);
    await startWorker(below(2) === 0 ? its : host);
  } else if (kind === "database") {
    if (below(2) === 0) await cluster.kill();
    else await cluster.stop("immediate");
    await sleep(Math.random() * 500);
    await cluster.start();
  } else if (kind === "backends") {
    await cluster.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where pid <> pg_backend_pid() and random() < 0.7`,
    );
  } else host.proxy.cut();
}

/** Waits until the daemon can ask its database again. */
async function sessionsOf(client: SessionClient): Promise<Map<string, Session>> {
  await eventually(async () => expect((await client.getHealth()).problems).toEqual([]));
  const found = new Map<string, Session>();
  for await (const { session_id } of client.allSessions())
    found.set(session_id, await client.getSession(session_id));
  return found;
}

async function expectSame(hosts: readonly Host[], found: ReadonlyMap<string, Session>): Promise<void> {
  for (const { daemon } of hosts) expect(await sessionsOf(daemon.client)).toEqual(found);
}

/** Not let grow. Resolves with the sessions that each writer goes on with. */
async function clearAway(account: KillAccount, client: SessionClient): Promise<Record<string, object>[]> {
  await client.emptyTrash();
  const goOn: Record<string, object>[] = [{}, {}, {}];
  let count = 0;
  for (const [id, session] of await sessionsOf(client)) {
    if (session.status !== "completed" && count < goingOn) {
      const fields = [...fieldsOf(session)].map(([name, value]) => [name, JSON.parse(value)]);
      (goOn[count++ % goOn.length] as Record<string, object>)[id] = Object.fromEntries(fields);
    } else {
      await client.deleteSession(id, { purge: true });
      account.forget(id);
    }
  }
  return goOn;
}

function below(limit: number): number {
  return Math.floor(Math.random() * limit);
}

function pick<Item>(items: readonly Item[]): Item {
  return items[below(items.length)] as Item;
}
