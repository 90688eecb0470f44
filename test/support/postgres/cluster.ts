/** A PostgreSQL server of a test's own: its directory, its process, its settings, and what ends it. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { onTestFinished } from "vitest";
import { eventually } from "../eventually.ts";
import { childrenOf, handOver, ownedDirectory, run, runs, signal, start } from "./programs.ts";

export type Settings = Readonly<Record<string, string | number>>;

export interface ClusterOptions {
  /** An existing directory for its files, such as one on a disk of its own; a temporary one by default. */
  directory?: string;
  settings?: Settings;
}

export interface StandbyOptions {
  /** A network through which the standby follows the primary; none by default. */
  via?: Address;
}

/** Where a server, a PgBouncer or a proxy listens. */
export interface Address {
  /** The directory of the Unix socket. */
  readonly host: string;
  /** Also the port at 127.0.0.1. */
  readonly port: number;
}

/** What `fsync` and the rest are by default is what the tests run with. */
const defaults: Settings = {
  listen_addresses: "127.0.0.1",
  max_connections: 200,
  shared_buffers: "64MB",
  max_wal_size: "512MB",
  log_line_prefix: "%m [%p] %q%a ",
  log_timezone: "UTC",
  log_lock_waits: "on",
};

export class Cluster implements Address {
  readonly host: string;
  readonly port: number;
  readonly #directory: string;
  #settings: Settings;
  #postmaster: ChildProcess | undefined;

  private constructor(directory: string, port: number, settings: Settings) {
    this.#directory = directory;
    this.host = directory;
    this.port = port;
    this.#settings = settings;
  }

  /** Makes an empty cluster and starts it. Its caller ends it with {@link remove}. */
  static async create({
    directory = ownedDirectory(),
    settings = {},
  }: ClusterOptions = {}): Promise<Cluster> {
    handOver(directory);
    const how = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
    run("initdb", ...how, join(directory, "data"));
    const cluster = await Cluster.#at(directory, settings);
    appendFileSync(join(cluster.data, "postgresql.conf"), "include 'test.conf'\n");
    await cluster.start();
    return cluster;
  }

  /** A copy of this cluster that follows it as a hot standby. Its caller ends it with {@link remove}. */
  async createStandby(name: string, { via = this }: StandbyOptions = {}): Promise<Cluster> {
    const directory = ownedDirectory();
    const data = join(directory, "data");
    const mode = ["--checkpoint=fast", "--wal-method=stream", "--no-sync"];
    run("pg_basebackup", `--pgdata=${data}`, `--dbname=${replicationFrom(this, name)}`, ...mode);
    writeFileSync(join(data, "standby.signal"), "");
    handOver(join(data, "standby.signal"));
    const following = { primary_conninfo: replicationFrom(via, name) };
    const standby = await Cluster.#at(directory, { ...this.#settings, ...following });
    await standby.start();
    return standby;
  }

  /** A standby follows another server from now on. */
  async follow(primary: Address, name: string): Promise<void> {
    await this.configure({ primary_conninfo: replicationFrom(primary, name) });
  }

  static async #at(directory: string, settings: Settings): Promise<Cluster> {
    return new Cluster(directory, await freePort(), settings);
  }

  /** The directory that PostgreSQL calls the data directory. */
  get data(): string {
    return join(this.#directory, "data");
  }

  /** What the server has logged so far. */
  log(): string {
    return readFileSync(join(this.#directory, "log"), "utf8");
  }

  /** Resolves when it can be asked. */
  async start(): Promise<void> {
    this.#writeSettings();
    const postmaster = await start("postgres", ["-D", this.data], join(this.#directory, "log"));
    this.#postmaster = postmaster;
    await eventually(async () => {
      if (postmaster.exitCode !== null || postmaster.signalCode !== null) return;
      await this.query("select 1");
    });
    if (!this.running) throw new Error(`PostgreSQL did not start:\n${this.log().slice(-2000)}`);
  }

  get running(): boolean {
    const { exitCode, signalCode } = this.#postmaster ?? {};
    return exitCode === null && signalCode === null;
  }

  /** Shuts down: `fast` ends the sessions first, `immediate` does as after a crash. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === undefined || !this.running) return;
    const ended = once(postmaster, "exit");
    this.signalAll("SIGCONT");
    signal(postmaster.pid as number, mode === "fast" ? "SIGINT" : "SIGQUIT");
    await ended;
  }

  /** Kills every process of it, as a crash of the machine would. */
  async kill(): Promise<void> {
    const postmaster = this.#postmaster;
    if (postmaster === undefined || !this.running) return;
    const ended = once(postmaster, "exit");
    // Frozen first, so that it starts no others.
    signal(postmaster.pid as number, "SIGSTOP");
    const processes = this.processes();
    for (const pid of processes) signal(pid, "SIGKILL");
    await ended;
    await eventually(() => {
      if (processes.some(runs)) throw new Error("a process of PostgreSQL still runs");
    });
  }

  /** Freezes every process of it; connections stay open, and nothing is answered. */
  freeze(): void {
    this.signalAll("SIGSTOP");
  }

  thaw(): void {
    this.signalAll("SIGCONT");
  }

  /** The postmaster first. */
  processes(): number[] {
    const pid = this.#postmaster?.pid;
    return pid === undefined || !this.running ? [] : [pid, ...childrenOf(pid)];
  }

  private signalAll(name: NodeJS.Signals): void {
    for (const pid of this.processes()) signal(pid, name);
  }

  /** Changes settings that need no restart. Resolves when new connections have them. */
  async configure(settings: Settings): Promise<void> {
    const loaded = async () => (await this.query("select pg_conf_load_time()::text as at"))[0]?.at;
    const before = await loaded();
    this.#settings = { ...this.#settings, ...settings };
    this.#writeSettings();
    signal(this.#postmaster?.pid as number, "SIGHUP");
    await eventually(async () => {
      if ((await loaded()) === before) throw new Error("the settings have not been loaded yet");
    });
  }

  /** Makes a standby the primary. Resolves when it takes writes. */
  async promote(): Promise<void> {
    await this.query("select pg_promote(true, 60)");
  }

  /** One statement on a connection of its own, as the superuser. */
  async query(
    text: string,
    values: unknown[] = [],
    database = "postgres",
  ): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ host: this.host, port: this.port, user: "postgres", database });
    // The server may be killed while the connection is closed.
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(text, values)).rows as Record<string, unknown>[];
    } finally {
      await client.end().catch(() => {});
    }
  }

  /** Ends it and deletes its files. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #writeSettings(): void {
    const settings = {
      ...defaults,
      port: this.port,
      unix_socket_directories: this.host,
      ...this.#settings,
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key} = '${value}'\n`);
    writeFileSync(join(this.data, "test.conf"), lines.join(""));
  }
}

/** A cluster that is gone when the test ends. */
export async function testCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await Cluster.create(options);
  onTestFinished(() => cluster.remove());
  return cluster;
}

/** A hot standby of a cluster, which is gone when the test ends. */
export async function testStandby(of: Cluster, name: string, options?: StandbyOptions): Promise<Cluster> {
  const standby = await of.createStandby(name, options);
  onTestFinished(() => standby.remove());
  return standby;
}

function replicationFrom({ host, port }: Address, name: string): string {
  return `host=${host} port=${port} user=postgres application_name=${name}`;
}

/** A URL in a form that libpq takes as well. */
export function urlOf(address: Address, database: string, over: "socket" | "tcp" = "socket"): string {
  if (over === "tcp") return `postgres://postgres@127.0.0.1:${address.port}/${database}`;
  const { host, port } = address;
  return `postgres:///${database}?host=${encodeURIComponent(host)}&port=${port}&user=postgres`;
}

/** A port of 127.0.0.1 at which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
