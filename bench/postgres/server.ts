/**
 * Starts a PostgreSQL server of this run's own, on the same disk as all the rest. It syncs before it answers.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { handOver, run, signal, start } from "../../test/support/postgres/programs.ts";
import type { Context } from "../context.ts";
import type { Scope } from "../scope.ts";

/**
 * As Debian has it, but with room for all connections of the peers, and with enough memory and log that no
 * checkpoint falls into a round.
 */
const settings = {
  port: 5432,
  listen_addresses: "",
  max_connections: 400,
  shared_buffers: "512MB",
  max_wal_size: "4GB",
  checkpoint_timeout: "30min",
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
};

export interface PostgresServer {
  /** Creates an empty database, and returns its URL. */
  createDatabase(name: string): Promise<string>;
}

/** @throws if the server ends instead of listening */
export async function startPostgres({ root }: Context, scope: Scope): Promise<PostgresServer> {
  // Beside the directory of this run, which is not open to the user of the server.
  const directory = mkdtempSync(`${root}-pg-`);
  scope.removeLater(directory);
  handOver(directory);
  const data = join(directory, "data");
  run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", data);
  const lines = Object.entries({ ...settings, unix_socket_directories: directory });
  appendFileSync(
    join(data, "postgresql.conf"),
    lines.map(([key, value]) => `${key} = '${value}'\n`).join(""),
  );
  const log = join(directory, "log");
  const child = await start("postgres", ["-D", data], log);
  scope.defer(() => stop(child));
  const query = (text: string) => statement(directory, text);
  while (!(await query("select 1").then(...bothWays))) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL ended: ${readFileSync(log, "utf8")}`);
    await sleep(20);
  }
  return {
    async createDatabase(name) {
      await query(`create database ${name}`);
      return `postgres:///${name}?host=${encodeURIComponent(directory)}&port=${settings.port}&user=postgres`;
    },
  };
}

const bothWays = [() => true, () => false] as const;

async function statement(host: string, text: string): Promise<void> {
  const client = new pg.Client({ host, port: settings.port, user: "postgres", database: "postgres" });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  signal(child.pid as number, "SIGQUIT");
  await ended;
}
