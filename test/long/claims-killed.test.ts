/**
 * A store with shared workers is killed after each thing that it does to the disk: what a worker was told it
 * has is its own after a restart, and nobody else's.
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSessionId } from "../../src/session/session-id.ts";
import type { Acquired } from "../../src/store/session-store.ts";
import { config, openLagging } from "../store/directory/outside.ts";
import { FaultyFileSystem, isChange } from "../support/faulty-file-system.ts";
import { tempDir } from "../support/temp-dir.ts";

const id = parseSessionId("s");

/** A worker, as it sees itself. */
interface Worker {
  token: string;
  /** What it was told it has. It knows nothing of a claim that is under way. */
  told: Set<string>;
  /** What it has reported or given back, whether it was answered or not. */
  asked: Set<string>;
  isEnding: boolean;
}

interface Kill {
  directory: string;
  workers: Worker[];
}

function copyOf(worker: Worker): Worker {
  return { ...worker, told: new Set(worker.told), asked: new Set(worker.asked) };
}

/** Three workers share a session. Returns what a kill after each change of the disk would leave. */
async function killedEverywhere(): Promise<Kill[]> {
  const base = await tempDir();
  const directory = join(base, "live");
  const disk = new FaultyFileSystem();
  const store = await openLagging(directory, undefined, disk.fileSystem);
  const pending_files = Array.from({ length: 8 }, (_, index) => `f${index}`);
  await store.create({ session_id: id, config, pending_files });
  const workers: (Worker & { epoch: number })[] = [];
  const kills: Kill[] = [];
  const kill = () => {
    const copy = join(base, `${kills.length}`);
    cpSync(directory, copy, { recursive: true });
    kills.push({ directory: copy, workers: workers.map(copyOf) });
  };
  disk.intercept((operation, run) => {
    const result = run();
    if (!isChange(operation)) return result;
    if (result instanceof Promise) return result.finally(kill) as typeof result;
    kill();
    return result;
  });
  const know = ({ lease, token }: Acquired) => {
    workers.push({ epoch: lease.epoch, token, told: new Set(), asked: new Set(), isEnding: false });
  };
  const worker = (index: number) => workers[index] as Worker & { epoch: number };
  const take = async (index: number, count: number) => {
    const { files } = await store.claims.take(id, worker(index).epoch, count);
    for (const file of files) worker(index).told.add(file);
  };
  const report = async (index: number, file: string) => {
    worker(index).asked.add(file);
    await store.report(id, { processed: [file], results: { [file]: 1 } }, { epoch: worker(index).epoch });
  };
  for (let count = 0; count < 3; count++) know(await store.leases.acquire(id, { shared: true }));
  await take(0, 2);
  await Promise.all([take(1, 1), take(2, 1), report(0, "f0")]);
  await Promise.all([report(0, "f1"), take(0, 1), report(1, "f2")]);
  worker(2).asked.add("f3");
  await store.claims.giveBack(id, worker(2).epoch, ["f3"]);
  await Promise.all([take(0, 1), take(1, 1)]);
  worker(1).isEnding = true;
  await Promise.all([store.leases.release(id, worker(1).epoch), take(2, 2)]);
  const { lease } = await store.leases.acquire(id, { shared: true, token: worker(0).token });
  worker(0).epoch = lease.epoch;
  await take(0, 1);
  await store.apply(id, { type: "requeue", files: ["f0"] });
  await take(2, 9);
  await store.close();
  return kills;
}

async function expectKept({ directory, workers }: Kill): Promise<void> {
  const store = await openLagging(directory);
  const claimed = new Set<string>();
  for (const { token, told, asked, isEnding } of workers) {
    const back = await store.leases.acquire(id, { shared: true, token }).catch((error: Error) => error);
    if (isEnding && back instanceof Error) continue;
    const held = await store.claims.held(id, (back as Acquired).lease.epoch);
    for (const file of told) if (!asked.has(file)) expect(held).toContain(file);
    for (const file of held) expect(claimed).not.toContain(file);
    for (const file of held) claimed.add(file);
  }
  const { session } = await store.read(id);
  expect([...session.pending_files, ...session.processed_files].sort()).toEqual(
    Array.from({ length: 8 }, (_, index) => `f${index}`),
  );
  const { epoch } = (await store.leases.acquire(id, { shared: true })).lease;
  const free: string[] = [];
  for (;;) {
    const { files } = await store.claims.take(id, epoch, 9);
    if (files.length === 0) break;
    free.push(...files);
  }
  // None is claimed twice, and none is forgotten.
  expect([...free, ...claimed].sort()).toEqual([...session.pending_files].sort());
  await store.close();
}

test("whenever the store is killed, workers that come back have what they were told", async () => {
  const kills = await killedEverywhere();
  expect(kills.length).toBeGreaterThan(15);
  for (const { told } of kills.at(-1)?.workers ?? []) expect(told.size).toBeGreaterThan(1);
  for (const kill of kills) await expectKept(kill);
});
