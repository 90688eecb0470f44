/**
 * Measures the daemon as it is built, on this machine, and prints one table: start-up, memory, listing, how soon an
 * outside write is seen, and a large cleanup. Medians of several rounds where a round is short.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionClient } from "../src/client/index.ts";

const root = mkdtempSync(join(tmpdir(), "sessiond-figures-"));
const program = resolve(import.meta.dirname, "../sessiond.js");
const probe = resolve(import.meta.dirname, "../../bench/stall-probe.mjs");
const rows: [string, string][] = [];

interface Running {
  child: ChildProcess;
  client: SessionClient;
  directory: string;
  readyMs: number;
}

function document(id: string, changes: object = {}): string {
  const files = Array.from({ length: 20 }, (_, n) => `src/part/module${n}.ts`);
  return `${JSON.stringify(
    {
      session_id: id,
      status: "running",
      config: { target_path: "/srv/monorepo", file_patterns: ["*.ts"] },
      processed_files: files.slice(0, 10),
      pending_files: files.slice(10),
      partial_results: Object.fromEntries(
        files.slice(0, 10).map((file) => [file, { exit_code: 0, duration_ms: 12.5 }]),
      ),
      checkpoint_time: new Date().toISOString(),
      ...changes,
    },
    null,
    2,
  )}\n`;
}

function fill(name: string, count: number, changes: (n: number) => object = () => ({})): string {
  const directory = join(root, name);
  mkdirSync(directory);
  for (let n = 0; n < count; n++) writeFileSync(join(directory, `s${n}.json`), document(`s${n}`, changes(n)));
  return directory;
}

async function start(directory: string): Promise<Running> {
  const socket = join(root, "sessiond.sock");
  const begun = performance.now();
  const child = spawn(
    process.execPath,
    ["--import", probe, program, "--sessions-dir", directory, "--socket", socket, "--log-level", "error"],
    { stdio: "inherit", env: { ...process.env, SESSIOND_CONFIG: "", STALL_FILE: join(root, "stall") } },
  );
  const client = new SessionClient({ socketPath: socket });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
    const up = await client.getStats().catch(() => undefined);
    if (up !== undefined) return { child, client, directory, readyMs: performance.now() - begun };
    await sleep(1);
  }
}

async function stop({ child, client }: Running): Promise<void> {
  client.close();
  child.kill("SIGTERM");
  await new Promise((done) => child.once("exit", done));
}

async function longestStall({ child }: Running): Promise<number> {
  const file = join(root, "stall");
  rmSync(file, { force: true });
  child.kill("SIGUSR2");
  for (;;) {
    try {
      const text = readFileSync(file, "utf8");
      if (text !== "") return Number(text);
    } catch {
      // Not written yet.
    }
    await sleep(2);
  }
}

function rssMiB({ child }: Running): number {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

function inotifyWatches({ child }: Running): number {
  const fds = `/proc/${child.pid}/fd`;
  let watches = 0;
  for (const fd of readdirSync(fds)) {
    if (!readlinkSync(join(fds, fd)).includes("inotify")) continue;
    const info = readFileSync(`/proc/${child.pid}/fdinfo/${fd}`, "utf8");
    watches += info.split("\n").filter((line) => line.startsWith("inotify ")).length;
  }
  return watches;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`;
}

function spread(values: readonly number[]): string {
  return `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}, max ${ms(Math.max(...values))}`;
}

async function startUp(count: number): Promise<void> {
  const directory = fill(`start-${count}`, count);
  const times: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < 5; round++) {
    const daemon = await start(directory);
    times.push(daemon.readyMs);
    await sleep(300);
    memory.push(rssMiB(daemon));
    await stop(daemon);
  }
  rows.push([
    `start to ready, ${count} files`,
    `${ms(quantile(times, 0.5))}, RSS ${quantile(memory, 0.5).toFixed(0)} MiB (medians of 5)`,
  ]);
}

async function listing(): Promise<void> {
  const daemon = await start(fill("list", 10_000));
  const plain: number[] = [];
  const filtered: number[] = [];
  for (let round = 0; round < 1000; round++) {
    for (const [times, query] of [
      [plain, { limit: 100 }],
      [filtered, { limit: 100, q: "s99" }],
    ] as const) {
      const begun = performance.now();
      await daemon.client.listSessions(query);
      times.push(performance.now() - begun);
    }
  }
  rows.push(["list 100 of 10,000", spread(plain)]);
  rows.push(["list 100 of 10,000, filtered by text", spread(filtered)]);
  rows.push(["inotify watches, 10,000 files", String(inotifyWatches(daemon))]);
  await stop(daemon);
}

async function outsideWrites(count: number): Promise<void> {
  const daemon = await start(fill(`outside-${count}`, count));
  const times: number[] = [];
  await longestStall(daemon);
  for (let n = 0; n < 1000; n++) {
    const id = `s${(n * 7919) % count}`;
    const target = join(daemon.directory, `${id}.json`);
    const mark = `mark ${n}`;
    writeFileSync(`${target}.tmp`, document(id, { status_reason: mark }));
    renameSync(`${target}.tmp`, target);
    const begun = performance.now();
    while ((await daemon.client.listSessions({ q: mark, limit: 1 })).total === 0) await sleep(1);
    times.push(performance.now() - begun);
  }
  rows.push([
    `outside write to visible in the index, 1,000 into ${count.toLocaleString("en")}`,
    spread(times),
  ]);
  rows.push(["longest stall of the event loop meanwhile", ms(await longestStall(daemon))]);
  await stop(daemon);
}

/** Durable reports of one file each, every caller waiting for its answer before the next. */
async function reports(files: number, callers: number): Promise<void> {
  const daemon = await start(fill(`reports-${files}-${callers}`, 0));
  const pending = Array.from({ length: files }, (_, n) => `src/part/module${n}.ts`);
  await daemon.client.createSession({
    session_id: "s",
    config: { target_path: "/src" },
    pending_files: pending,
  });
  await daemon.client.reportProgress("s", {});
  await longestStall(daemon);
  const times: number[] = [];
  const end = performance.now() + 4000;
  let next = 0;
  const call = async () => {
    while (performance.now() < end) {
      const file = pending[next++ % files] as string;
      const begun = performance.now();
      await daemon.client.reportProgress("s", {
        processed: [file],
        results: { [file]: { exit_code: 0, duration_ms: 12.5 } },
      });
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  const label = `durable reports, ${callers} caller(s), session of ${files.toLocaleString("en")} files`;
  rows.push([
    label,
    `${Math.round(times.length / 4)}/s, ${spread(times)}, stall ${ms(await longestStall(daemon))}`,
  ]);
  await stop(daemon);
}

async function cleanup(): Promise<void> {
  const old = (n: number) => (n < 5000 ? { status: "failed", checkpoint_time: "2020-01-01T00:00:00Z" } : {});
  const daemon = await start(fill("cleanup", 10_000, old));
  await longestStall(daemon);
  const begun = performance.now();
  const { removed } = await daemon.client.runCleanup("failed", { max_age: "7d" });
  const took = performance.now() - begun;
  const stall = await longestStall(daemon);
  rows.push([
    `cleanup of ${removed} of 10,000 sessions`,
    `${ms(took)}, longest stall of the event loop ${ms(stall)}`,
  ]);
  await stop(daemon);
}

try {
  for (const count of [0, 1000, 10_000]) await startUp(count);
  await listing();
  for (const files of [100, 100_000]) for (const callers of [1, 64]) await reports(files, callers);
  await outsideWrites(10_000);
  await cleanup();
  const width = Math.max(...rows.map(([name]) => name.length));
  process.stdout.write(
    `Node ${process.version}\n${rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join("")}`,
  );
} finally {
  rmSync(root, { recursive: true, force: true });
}
