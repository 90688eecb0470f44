/** A PgBouncer in transaction mode in front of a PostgreSQL. */
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { onTestFinished } from "vitest";
import { eventually } from "../eventually.ts";
import { type Address, freePort } from "./cluster.ts";
import { ownedDirectory, signal, start } from "./programs.ts";

export interface PgBouncer extends Address {
  log(): string;
  /** Ends it; the connections through it break. */
  stop(): Promise<void>;
}

/** Starts one. Its caller stops it. `settings` are those of the section `[pgbouncer]`. */
export async function startPgBouncer(
  server: Address,
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const directory = ownedDirectory();
  const port = await freePort();
  const all = {
    listen_addr: "127.0.0.1",
    listen_port: port,
    unix_socket_dir: directory,
    auth_type: "any",
    pool_mode: "transaction",
    max_client_conn: 500,
    default_pool_size: 20,
    admin_users: "postgres",
    ...settings,
  };
  const lines = [
    "[databases]",
    `* = host=${server.host} port=${server.port} user=postgres`,
    "[pgbouncer]",
    ...Object.entries(all).map(([key, value]) => `${key} = ${value}`),
  ];
  const [file, log] = [join(directory, "pgbouncer.ini"), join(directory, "log")];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = await start("pgbouncer", [file], log);
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, "exit");
      signal(child.pid as number, "SIGKILL");
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  await eventually(async () => {
    if (child.exitCode !== null) return;
    const client = new pg.Client({ host: directory, port, user: "postgres", database: "postgres" });
    await client.connect();
    await client.end();
  });
  if (child.exitCode !== null) throw new Error(`PgBouncer did not start: ${readFileSync(log, "utf8")}`);
  return { host: directory, port, log: () => readFileSync(log, "utf8"), stop };
}

/** One that is gone when the test ends. */
export async function testPgBouncer(
  server: Address,
  settings?: Readonly<Record<string, string | number>>,
): Promise<PgBouncer> {
  const bouncer = await startPgBouncer(server, settings);
  onTestFinished(() => bouncer.stop());
  return bouncer;
}
