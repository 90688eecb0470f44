/** Changes that meet: with one another, and with other programs that rename their documents into place. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId as id } from "../../../../src/session/session-id.ts";
import { runs } from "../../../support/runs.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, inTrash, meddlingClock, openStore, putOutside } from "../outside.ts";

const rounds = 40;

function progress(file: string) {
  return { type: "progress", delta: { processed: [file] } } as const;
}

function read(path: string): Session {
  return JSON.parse(readFileSync(path, "utf8"));
}

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

  test("that comes right before a conditional removal is kept", async () => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    const { summary } = await store.create({ session_id: "s", config });
    clock.meddle(() => putOutside(directory, "s.json", foreignSession("s")));
    const removal = store.remove(id("s"), { ifSeen: summary, reason: "requested" });
    await expect(removal).rejects.toMatchObject({ code: "revision_mismatch" });
    expect((await store.read(id("s"))).session.config.target_path).toBe("/elsewhere");
    expect(await inTrash(directory)).toEqual([]);
  });

  test("is never overwritten by a change made to an older one", async () => {
    const directory = await tempDir();
    const store = await openStore(directory);
    await store.create({ session_id: "s", config });
    const { checked, lost } = await renamingBesides(directory, [
      (n) => store.apply(id("s"), progress(`f${n % 10}`)),
      // These keep the thread pool busy, in which a commit must not wait its turn.
      ...["a", "b", "c", "d"].map((log) => (n: number) => store.records.append(log, [n])),
    ]);
    expect(checked).toBeGreaterThan(renames / 2);
    expect(lost).toBeLessThanOrEqual(tolerated);
  }, 60_000);
});

const renames = runs(30, 150).numRuns;
/**
 * Between the last look at a file and the rename are microseconds that no file system closes. These renames
 * are aimed at them, and few may hit.
 */
const tolerated = renames * 0.2;

/**
 * Another thread renames documents to `s.json`, each with a number, always when a change of ours is staged
 * and about to be put in place; then it waits for one on top, and looks whether that has the number. All the
 * while the changes run.
 */
async function renamingBesides(directory: string, changes: ((n: number) => Promise<unknown>)[]) {
  const worker = new Worker(
    `
    const { readdirSync, readFileSync, renameSync, writeFileSync } = require("node:fs");
    const { join } = require("node:path");
    const { parentPort, workerData } = require("node:worker_threads");
    const { directory, session, renames } = workerData;
    const path = join(directory, "s.json");
    const staging = join(directory, ".sessiond", "staging");
    let lost = 0;
    let checked = 0;
    for (let number = 1; number <= renames; number++) {
      const text = JSON.stringify({ ...session, number });
      writeFileSync(path + ".tmp", text);
      for (let look = 0; look < 20000; look++) {
        if (readdirSync(staging).some((name) => /^\\d+$/.test(name))) break;
      }
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
    { eval: true, workerData: { directory, session: foreignSession("s"), renames } },
  );
  onTestFinished(async () => void (await worker.terminate()));
  let ended = false;
  const result = new Promise<{ checked: number; lost: number }>((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  }).finally(() => {
    ended = true;
  });
  const running = changes.map(async (change) => {
    for (let n = 0; !ended; n++) await change(n);
  });
  await Promise.all([result, ...running]);
  return result;
}

describe("a session file that is deleted from outside", () => {
  test("while it is removed is not found, and leaves no note in the trash", async () => {
    const [directory, clock] = [await tempDir(), meddlingClock()];
    const store = await openStore(directory, clock);
    await store.create({ session_id: "s", config });
    clock.meddle(() => rmSync(join(directory, "s.json")));
    const removal = store.remove(id("s"), { reason: "requested" });
    await expect(removal).rejects.toMatchObject({ code: "session_not_found" });
    expect(await store.has(id("s"))).toBe(false);
    expect(await inTrash(directory)).toEqual([]);
    expect(await store.health()).toEqual([]);
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
  test.each(["s.json", "elsewhere.json"])(
    "of one id, where it was %s: exactly one succeeds",
    async (file) => {
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
        expect(await store.health()).toEqual([]);
        await store.remove(id("s"), { reason: "requested", purge: true });
        await store.emptyTrash();
      }
    },
  );
});
