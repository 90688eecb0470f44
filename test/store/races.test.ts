/** Changes that meet: with one another, and with other programs that rename their documents into place. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { isSessiondError } from "../../src/error.ts";
import type { Session } from "../../src/session/session.ts";
import { parseSessionId as id } from "../../src/session/session-id.ts";
import { tempDir } from "../support/temp-dir.ts";
import { config, foreignSession, inTrash, meddlingClock, openStore, putOutside } from "./outside.ts";

const rounds = 40;

function progress(file: string) {
  return { type: "progress", delta: { processed: [file] } } as const;
}

function read(path: string): Session {
  return JSON.parse(readFileSync(path, "utf8"));
}

test("restoring a backup under load: what was acknowledged is in the session or in a backup", async () => {
  const store = await openStore(await tempDir());
  await store.create({ session_id: "s", config });
  const { backup } = await store.backup(id("s"));
  const files = Array.from({ length: 100 }, (_, n) => `f${n}`);
  const previous: string[] = [];
  await Promise.all(
    files.map(async (file, n) => {
      await store.apply(id("s"), progress(file));
      if (n % 20 === 0) previous.push((await store.restoreBackup(id("s"), backup)).previous as string);
    }),
  );
  const kept = new Set((await store.read(id("s"))).session.processed_files);
  const places = new Map((await store.listBackups(id("s"))).map((one) => [one.backup, one.path]));
  expect(previous).toHaveLength(5);
  for (const name of previous) for (const file of read(places.get(name) as string).processed_files) kept.add(file);
  expect(files.filter((file) => !kept.has(file))).toEqual([]);
});

describe("another program's document", () => {
  test("that comes between reading and writing is what the change is made to", async () => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    await store.create({ session_id: "s", config, pending_files: ["a", "b"] });
    clock.meddle(() => putOutside(directory, "s.json", foreignSession("s", { processed_files: ["theirs"] })));
    await store.apply(id("s"), progress("ours"));
    expect(read(join(directory, "s.json"))).toMatchObject({
      config: { target_path: "/elsewhere" },
      processed_files: ["theirs", "ours"],
    });
  });

  test("that comes right before a removal is what is removed, and no older one comes back", async () => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    await store.create({ session_id: "s", config });
    clock.meddle(() => putOutside(directory, "s.json", foreignSession("s", { processed_files: ["theirs"] })));
    await store.remove(id("s"), { reason: "requested" });
    expect(await inTrash(directory)).toHaveLength(2);
    await store.restoreTrash(id("s"));
    expect((await store.read(id("s"))).session.processed_files).toEqual(["theirs"]);
  });

  test.each([{ purge: false }, { purge: true }])("saves its session from a conditional removal: %o", async (how) => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    const { summary } = await store.create({ session_id: "s", config });
    const renew = () => putOutside(directory, "s.json", foreignSession("s"));
    if (how.purge) renew();
    else clock.meddle(renew);
    const removal = store.remove(id("s"), { ifRevision: summary.revision, reason: "requested", ...how });
    await expect(removal).rejects.toMatchObject({ code: "revision_mismatch" });
    expect((await store.read(id("s"))).session.config.target_path).toBe("/elsewhere");
    expect(await inTrash(directory)).toEqual([]);
  });

  test("with the same revision but a later activity is another one to who asks for that", async () => {
    const store = await openStore(await tempDir());
    const { summary } = await store.create({ session_id: "s", config });
    const expected = { ifRevision: 1, ifCheckpoint: "2026-01-02T03:04:05.123456Z", reason: "requested" };
    await expect(store.remove(id("s"), expected)).rejects.toMatchObject({ code: "revision_mismatch" });
    await store.remove(id("s"), { ...expected, ifCheckpoint: summary.checkpoint_time });
  });

  test("is never overwritten by a change made to an older one", async () => {
    const directory = await tempDir();
    const store = await openStore(directory);
    await store.create({ session_id: "s", config });
    const { checked, lost } = await renamingBesides(join(directory, "s.json"), async (n) => {
      await Promise.all([
        store.apply(id("s"), progress(`f${n % 10}`)),
        store.apply(id("s"), { type: "edit", labels: { n: String(n) } }),
      ]);
    });
    expect(checked).toBeGreaterThan(100);
    // Between the last look and the rename are microseconds that no file system closes.
    expect(lost).toBeLessThanOrEqual(checked * tolerance);
  });
});

/** Of the outside renames that a later change of ours may overwrite, because they fell into the microseconds of a commit. */
const tolerance = 0.03;

/**
 * Another thread numbers a document and renames it into place, again and again; after each rename it waits for a
 * change of ours on top, and looks whether that still has the number. `change` runs all the while.
 */
async function renamingBesides(path: string, change: (n: number) => Promise<void>) {
  const worker = new Worker(
    `
    const { readFileSync, renameSync, writeFileSync } = require("node:fs");
    const { parentPort, workerData: path } = require("node:worker_threads");
    let lost = 0;
    let checked = 0;
    for (let number = 1; number <= 300; number++) {
      const text = JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), number });
      writeFileSync(path + ".tmp", text);
      renameSync(path + ".tmp", path);
      for (let look = 0; look < 20000; look++) {
        const now = readFileSync(path, "utf8");
        if (now === text) continue;
        checked++;
        if (JSON.parse(now).number !== number) lost++;
        break;
      }
    }
    parentPort.postMessage({ checked, lost });
    `,
    { eval: true, workerData: path },
  );
  onTestFinished(async () => void (await worker.terminate()));
  let result: { checked: number; lost: number } | undefined;
  let failure: Error | undefined;
  worker.on("message", (message) => {
    result = message;
  });
  worker.on("error", (error) => {
    failure = error;
  });
  for (let n = 0; result === undefined && failure === undefined; n++) await change(n);
  if (result === undefined) throw failure;
  return result;
}

describe("a session file that is deleted from outside", () => {
  test.each([{ purge: false }, { purge: true }])("while it is removed (%o) is not found, and leaves no note", async (how) => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    await store.create({ session_id: "s", config });
    const vanish = () => rmSync(join(directory, "s.json"));
    if (how.purge) vanish();
    else clock.meddle(vanish);
    const removal = store.remove(id("s"), { reason: "requested", ...how });
    await expect(removal).rejects.toMatchObject({ code: "session_not_found" });
    expect(store.has(id("s"))).toBe(false);
    expect(await inTrash(directory)).toEqual([]);
    expect(store.health()).toEqual([]);
  });

  test("while it is changed is not brought back", async () => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    await store.create({ session_id: "s", config });
    clock.meddle(() => rmSync(join(directory, "s.json")));
    await expect(store.apply(id("s"), progress("a"))).rejects.toMatchObject({ code: "session_not_found" });
    expect(existsSync(join(directory, "s.json"))).toBe(false);
  });
});

describe("restoring from the trash and creating at the same time", () => {
  test.each(["s.json", "elsewhere.json"])("of one id, where it was %s: exactly one succeeds", async (file) => {
    const directory = await tempDir();
    const store = await openStore(directory);
    for (let round = 0; round < rounds; round++) {
      putOutside(directory, file, foreignSession("s"));
      await store.reconcile();
      await store.remove(id("s"), { reason: "requested" });
      const restore = () => store.restoreTrash(id("s"));
      const create = () => store.create({ session_id: "s", config });
      const asked = round % 2 === 0 ? [restore, create] : [create, restore, create];
      const outcomes = await Promise.allSettled(asked.map((ask) => ask()));
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "session_exists" });
      }
      expect(store.health()).toEqual([]);
      await store.remove(id("s"), { reason: "requested", purge: true });
      await store.emptyTrash();
    }
  });
});

test("a document that is saved while its session is deleted is saved: there is always a place for it", async () => {
  const store = await openStore(await tempDir());
  const document = foreignSession("s");
  for (let round = 0; round < rounds; round++) {
    await store.save(document);
    const removal = () =>
      store.remove(id("s"), { reason: "requested" }).catch((error: unknown) => {
        if (!isSessiondError(error, "session_not_found", "session_deleted")) throw error;
      });
    const save = () => store.save(document);
    await Promise.all(round % 2 === 0 ? [removal(), save()] : [save(), removal(), save(), removal(), save()]);
  }
});
