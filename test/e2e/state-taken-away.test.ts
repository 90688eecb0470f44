/**
 * Other programs take the daemon's state away while workers report: no report is acknowledged that the next
 * start does not have.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { WorkerSession } from "../../src/client/worker/worker-session.ts";
import { systemErrorCode } from "../../src/error.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { readSessions } from "./directory.ts";

const config = "storage: { max_lag: 10min }\n";
const ids = ["a", "b", "c"];

const segmentsOf = (journal: string) =>
  readdirSync(journal)
    .filter((name) => name.endsWith(".log"))
    .map((name) => join(journal, name));

/** Again where the daemon made a file in it meanwhile. */
function remove(directory: string): void {
  while (existsSync(directory)) {
    try {
      rmSync(directory, { recursive: true });
    } catch (error) {
      if (systemErrorCode(error) !== "ENOTEMPTY") throw error;
    }
  }
}

/** Files that the daemon is about to put in place come and go under the copying. */
function copyState(state: string, copy: string): void {
  const staging = join(state, "staging");
  cpSync(state, copy, { recursive: true, filter: (path) => dirname(path) !== staging });
}

/** What another program does to the state in `.sessiond`. */
const blows: Record<string, (state: string) => void> = {
  "removes .sessiond": remove,
  "moves .sessiond away": (state) => renameSync(state, `${state}.away`),
  "puts an older .sessiond in its place": (state) => {
    copyState(state, `${state}.copy`);
    rmSync(join(`${state}.copy`, "journal"), { recursive: true });
    mkdirSync(join(`${state}.copy`, "journal"));
    renameSync(state, `${state}.away`);
    renameSync(`${state}.copy`, state);
  },
  "removes the journal": (state) => rmSync(join(state, "journal"), { recursive: true }),
  "puts an empty journal in its place": (state) => {
    renameSync(join(state, "journal"), join(state, "journal.away"));
    mkdirSync(join(state, "journal"));
  },
  "removes the segment": (state) => {
    for (const segment of segmentsOf(join(state, "journal"))) rmSync(segment);
  },
  "puts a copy in the place of the segment": (state) => {
    for (const segment of segmentsOf(join(state, "journal"))) {
      cpSync(segment, `${segment}.copy`);
      renameSync(`${segment}.copy`, segment);
    }
  },
  "cuts the segment short": (state) => {
    for (const segment of segmentsOf(join(state, "journal"))) truncateSync(segment, 100);
  },
};

/** Workers that report for as long as they can. What was acknowledged is in `acknowledged`. */
async function startWorkers(daemon: DaemonProcess) {
  const acknowledged = new Map<string, string[]>();
  const workers: WorkerSession[] = [];
  for (const id of ids) {
    await daemon.client.createSession({ session_id: id, config: { target_path: "src" } });
    workers.push(await daemon.client.attach(id));
    acknowledged.set(id, []);
  }
  let isOver = false;
  const lanes = workers.map(async (worker, at) => {
    const done = acknowledged.get(ids[at] as string) as string[];
    for (let n = 0; !isOver; n++) {
      await worker.report({ processed: [`f${n}`], results: { [`f${n}`]: n } });
      done.push(`f${n}`);
    }
  });
  const count = () => [...acknowledged.values()].reduce((sum, done) => sum + done.length, 0);
  await eventually(() => expect(count()).toBeGreaterThan(50));
  return {
    acknowledged,
    count,
    async stop() {
      isOver = true;
      await Promise.all(lanes);
      await Promise.all(workers.map((worker) => worker.detach()));
    },
  };
}

/** What `npm test` tries; `npm run test:long` tries all. */
const some = ["removes .sessiond", "cuts the segment short"];
const tried = Object.entries(blows).filter(([name]) => isLong || some.includes(name));

describe.each(tried)("another program %s", (_, strike) => {
  test("under load: the daemon ends for a restart, and every report that it acknowledged is there", async () => {
    const daemon = await startDaemon({ config });
    const workers = await startWorkers(daemon);
    strike(join(daemon.sessionsDir, ".sessiond"));
    const struck = performance.now();
    expect(await daemon.exited).toEqual({ code: 1, signal: null });
    expect(performance.now() - struck).toBeLessThan(5000);
    expect(daemon.stderr()).toMatch(/another program/);
    // Workers that were attached go on with the next daemon, and report again what was not acknowledged.
    const next = await daemon.restart();
    const before = workers.count();
    await eventually(() => expect(workers.count()).toBeGreaterThan(before));
    await workers.stop();
    await next.restart();
    const sessions = readSessions(next.sessionsDir);
    for (const [id, files] of workers.acknowledged)
      expect(sessions.get(id)?.processed_files).toEqual(expect.arrayContaining(files));
  });
});

/** What another program does to restore a copy of `.sessiond`. */
const restorations: Record<string, (state: string, copy: string) => void> = {
  "moves it into place": (state, copy) => {
    renameSync(state, `${state}.away`);
    renameSync(copy, state);
  },
  "restores its journal": (state, copy) => {
    renameSync(join(state, "journal"), join(state, "journal.away"));
    renameSync(join(copy, "journal"), join(state, "journal"));
  },
  "writes it over the files": (state, copy) => cpSync(copy, state, { recursive: true }),
};

test.each(Object.entries(restorations).filter((_, at) => isLong || at === 0))(
  "another program has an older copy and %s: nothing newer is undone",
  async (_, restore) => {
    const daemon = await startDaemon({ config });
    const { client, sessionsDir } = daemon;
    const state = join(sessionsDir, ".sessiond");
    const newest = { processed_files: ["f", "h"], partial_results: { f: 2, h: 1 } };
    await client.createSession({
      session_id: "a",
      config: { target_path: "src" },
      pending_files: ["f", "g", "h"],
    });
    await client.reportProgress("a", { processed: ["f", "g"], results: { f: 1 } });
    copyState(state, `${state}.copy`);
    await client.checkpointSession("a", { processed_files: ["f"], pending_files: ["g", "h"] });
    await client.reportProgress("a", { processed: ["h"], results: { f: 2, h: 1 } });
    restore(state, `${state}.copy`);
    expect(await daemon.exited).toEqual({ code: 1, signal: null });
    const next = await daemon.restart();
    expect(await next.client.getSession("a")).toMatchObject({ ...newest, pending_files: ["g"] });
  },
);

describe.each(tried.filter(([name]) => /^(removes .sessiond|cuts|removes the segment)/.test(name)))(
  "another program %s",
  (_, strike) => {
    test("while nobody reports: it is noticed within a second, and nothing is lost", async () => {
      const daemon = await startDaemon({ config });
      const { client } = daemon;
      await client.createSession({ session_id: "a", config: { target_path: "src" } });
      await client.reportProgress("a", { processed: ["f"] });
      expect(readSessions(daemon.sessionsDir).get("a")?.processed_files).toEqual([]);
      strike(join(daemon.sessionsDir, ".sessiond"));
      const struck = performance.now();
      await eventually(() => {
        expect(readSessions(daemon.sessionsDir).get("a")?.processed_files).toEqual(["f"]);
      });
      expect(performance.now() - struck).toBeLessThan(2000);
      expect(await daemon.exited).toEqual({ code: 1, signal: null });
      const next = await daemon.restart();
      expect((await next.client.getSession("a")).processed_files).toEqual(["f"]);
    });
  },
);

test("the sessions directory is away for a while: no report is acknowledged until it is back", async () => {
  const daemon = await startDaemon({ config });
  const { client, sessionsDir } = daemon;
  await client.createSession({ session_id: "a", config: { target_path: "src" } });
  const acknowledged: string[] = [];
  const report = async (file: string) => {
    await client.reportProgress("a", { processed: [file] });
    acknowledged.push(file);
  };
  await report("f");
  renameSync(sessionsDir, `${sessionsDir}.away`);
  let refusal: unknown;
  for (let n = 0; refusal === undefined; n++) {
    refusal = await report(`g${n}`).catch((error: unknown) => error);
  }
  expect(refusal).toMatchObject({
    code: "storage_failed",
    message: expect.stringContaining("is missing; put it back"),
  });
  await expect(report("h")).rejects.toMatchObject({ code: "storage_failed" });
  expect(existsSync(sessionsDir)).toBe(false);
  renameSync(`${sessionsDir}.away`, sessionsDir);
  await report("i");
  await daemon.restart();
  expect(readSessions(sessionsDir).get("a")?.processed_files).toEqual(acknowledged);
});

test.each(["staging", "trash", "quarantine"])(
  "%s is removed: it is made anew, and work goes on",
  async (name) => {
    const daemon = await startDaemon({ config });
    const { client, sessionsDir } = daemon;
    await client.createSession({ session_id: "a", config: { target_path: "src" } });
    rmSync(join(sessionsDir, ".sessiond", name), { recursive: true });
    await eventually(() => expect(existsSync(join(sessionsDir, ".sessiond", name))).toBe(true));
    await client.pauseSession("a");
    await client.deleteSession("a");
    await client.restoreTrash("a");
    expect(daemon.stderr()).toContain(`${name} was removed by another program`);
  },
);
