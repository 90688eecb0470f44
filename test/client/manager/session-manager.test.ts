import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { SessionManager } from "../../../src/client/manager/session-manager.ts";
import { type JsonObject, parsePlainJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Session, Status } from "../../../src/session/session.ts";
import { configDefaults, statuses } from "../../../src/session/session.ts";
import * as any from "../../support/arbitraries.ts";
import { pretendClockWasSet } from "../../support/clock-record.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { startDaemonIn } from "../running-daemon.ts";

/** As a JavaScript caller has it: 85 and not 85.0. */
const plain = <T>(values: fc.Arbitrary<T>) =>
  values.map((value) => parsePlainJson(stringifyJson(value)) as unknown as T);
const [sessionState, sessionConfig, jsonObject] = [
  plain(any.savedSession),
  plain(any.sessionConfig),
  plain(any.jsonObject),
];

const backends = {
  embedded: async (directory: string) => {
    const manager = new SessionManager({ sessionsDir: directory });
    onTestFinished(() => manager.close());
    return manager;
  },
  connected: async (directory: string) => {
    const { socketPath } = await startDaemonIn(directory);
    const manager = SessionManager.connect({ socketPath });
    onTestFinished(() => manager.close());
    return manager;
  },
};

const numRuns = 15;
const missing = "no such session";

describe.each(Object.entries(backends))("a SessionManager, %s", (_name, open) => {
  const start = async () => open(await tempDir());

  /** Keeps the properties' sessions apart: one store serves all runs of a property. */
  async function everyState(
    check: (manager: SessionManager, session: Session, results: JsonObject) => Promise<void>,
    state: fc.Arbitrary<Session> = sessionState,
  ) {
    const manager = await start();
    await fc.assert(
      fc.asyncProperty(state, jsonObject, async (session, results) => {
        await manager.deleteSession(session.session_id);
        await check(manager, session, results);
      }),
      { numRuns },
    );
  }

  it("loads what was saved, whatever the state of the session: every field, exactly", async () => {
    await everyState(async (manager, session) => {
      await manager.saveSession(session);
      expect(content(await manager.loadSession(session.session_id))).toEqual(content(session));
    });
  });

  it("gives back on resume all that a session had when it was paused", async () => {
    const running = sessionState.map((session) => ({ ...session, status: "running" as const }));
    await everyState(async (manager, session) => {
      const id = session.session_id;
      await manager.saveSession(session);
      expect(await manager.resumeSession(id)).toBeNull();
      expect(await manager.pauseSession(id, "lunch")).toBe(true);
      expect(await manager.loadSession(id)).toMatchObject({ status: "paused", status_reason: "lunch" });
      expect(await manager.pauseSession(id)).toBe(false);
      const resumed = await manager.resumeSession(id);
      expect(resumed?.status).toBe("running");
      expect(untimed(resumed)).toEqual(untimed(session));
    }, running);
  });

  it("creates running sessions with the configuration as given and defaults for the rest", async () => {
    const manager = await start();
    await fc.assert(
      fc.asyncProperty(sessionConfig, async (config) => {
        const created = await manager.createSession(config, { pending_files: ["a", "b"] });
        expect(created).toMatchObject({ status: "running", processed_files: [], pending_files: ["a", "b"] });
        expect(stringifyJson(sorted(created.config as JsonObject))).toBe(
          stringifyJson(sorted({ ...configDefaults, ...config } as JsonObject)),
        );
        expect(await manager.loadSession(created.session_id)).toEqual(created);
      }),
      { numRuns },
    );
    const named = await manager.createSession("src", {
      session_id: "named",
      labels: { a: "b" },
      pinned: true,
    });
    expect(named).toMatchObject({ session_id: "named", labels: { a: "b" }, pinned: true });
    await expect(manager.createSession("src", { session_id: "named" })).rejects.toMatchObject({
      code: "session_exists",
    });
    await expect(manager.createSession(" ")).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("keeps both lists and merges results at a checkpoint", async () => {
    await everyState(async (manager, session, results) => {
      const id = session.session_id;
      await manager.saveSession(session);
      expect(await manager.checkpoint(id, ["done"], ["x", "y"], results)).toBe(true);
      const loaded = await manager.loadSession(id);
      expect(loaded?.processed_files).toEqual(["done"]);
      expect(loaded?.pending_files).toEqual(["x", "y"]);
      expect(sorted(loaded?.partial_results ?? {})).toEqual(
        sorted({ ...session.partial_results, ...results }),
      );
      expect(await manager.checkpoint(id, [], [])).toBe(true);
      expect((await manager.loadSession(id))?.partial_results).toEqual(loaded?.partial_results);
    });
  });

  it("deletes what it is told to, once", async () => {
    await everyState(async (manager, session) => {
      const id = session.session_id;
      await manager.saveSession(session);
      expect(await manager.sessionExists(id)).toBe(true);
      const count = await manager.getSessionCount();
      expect(await manager.deleteSession(id)).toBe(true);
      expect(await manager.deleteSession(id)).toBe(false);
      expect(await manager.sessionExists(id)).toBe(false);
      expect(await manager.loadSession(id)).toBeNull();
      expect(await manager.getSessionCount()).toBe(count - 1);
    });
  });

  it("lists and counts by status, newest checkpoint first", async () => {
    const manager = await start();
    for (const [minute, status] of [...statuses, ...statuses].entries()) {
      await manager.saveSession(at(`s${minute}`, status, `2026-01-02T03:0${minute}:00Z`));
    }
    const ids = (await manager.listSessions()).map((session) => session.session_id);
    expect(ids).toEqual(["s7", "s6", "s5", "s4", "s3", "s2", "s1", "s0"]);
    expect(await manager.getSessionCount()).toBe(8);
    for (const [minute, status] of statuses.entries()) {
      const listed = (await manager.listSessions(status)).map((session) => session.session_id);
      expect(listed).toEqual([`s${minute + 4}`, `s${minute}`]);
      expect(await manager.getSessionCount(status)).toBe(2);
    }
  });

  it("says null or false of a session that is not there", async () => {
    const manager = await start();
    const deleted = (await manager.createSession("src")).session_id;
    await manager.deleteSession(deleted);
    for (const id of [missing, deleted]) {
      expect(await manager.loadSession(id)).toBeNull();
      expect(await manager.resumeSession(id)).toBeNull();
      expect(await manager.reportProgress(id, { processed: ["a"] })).toBeNull();
      expect(await manager.backupSession(id)).toBeNull();
      expect(await manager.validateSession(id)).toBeNull();
      expect(await manager.recoverSession(id)).toBeNull();
      expect(await manager.getSessionHealth(id)).toBeNull();
      expect(await manager.sessionExists(id)).toBe(false);
      expect(await manager.checkpoint(id, [], [])).toBe(false);
      expect(await manager.pauseSession(id)).toBe(false);
      expect(await manager.completeSession(id)).toBe(false);
      expect(await manager.failSession(id)).toBe(false);
      expect(await manager.updateSessionStatus(id, "paused")).toBe(false);
      expect(await manager.deleteSession(id)).toBe(false);
    }
    await expect(manager.loadSession("")).rejects.toMatchObject({ code: "invalid_session_id" });
  });

  it("says null or false of an unreadable session, and keeps the file", async () => {
    const directory = await tempDir();
    await writeFile(join(directory, "broken.json"), '{"session_id": "broken"');
    const manager = await open(directory);
    expect(await manager.loadSession("broken")).toBeNull();
    expect(await manager.sessionExists("broken")).toBe(false);
    expect(await manager.pauseSession("broken")).toBe(false);
    expect(await manager.backupSession("broken")).toBeNull();
    expect(await manager.validateSession("broken")).toMatchObject({ valid: false });
    expect(await readFile(join(directory, "broken.json"), "utf8")).toBe('{"session_id": "broken"');
    expect(await manager.recoverSession("broken")).toMatchObject({ recovered: false });
    expect(await manager.validateSession("broken")).toBeNull();
  });

  it("changes to any status that a change leads to, and to no other", async () => {
    const manager = await start();
    const allowed: Record<Status, readonly Status[]> = {
      running: ["running", "paused", "completed", "failed"],
      paused: ["running", "paused", "completed", "failed"],
      completed: ["running", "completed", "failed"],
      failed: ["running", "completed", "failed"],
    };
    for (const from of statuses) {
      for (const to of statuses) {
        await manager.saveSession(at("x", from, "2026-01-02T03:04:05Z"));
        expect([from, to, await manager.updateSessionStatus("x", to, "why")]).toEqual([
          from,
          to,
          allowed[from].includes(to),
        ]);
      }
    }
    expect(await manager.completeSession("x", "all done")).toBe(true);
    expect(await manager.completeSession("x")).toBe(true);
    expect(await manager.failSession("x", "not so")).toBe(true);
    expect(await manager.loadSession("x")).toMatchObject({ status: "failed", status_reason: "not so" });
  });

  it("takes reports of what changed, and the same report twice", async () => {
    const manager = await start();
    const { session_id } = await manager.createSession("src", { pending_files: ["a", "b"] });
    const delta = { processed: ["a"], results: { a: 2n ** 64n }, added: ["c"] };
    expect(await manager.reportProgress(session_id, delta)).toMatchObject({
      status: "running",
      processed_count: 1,
      pending_count: 2,
    });
    expect(await manager.reportProgress(session_id, delta)).toMatchObject({ processed_count: 1 });
    expect(await manager.loadSession(session_id)).toMatchObject({
      processed_files: ["a"],
      pending_files: ["b", "c"],
      partial_results: { a: 2n ** 64n },
    });
    expect(await manager.getSessionHealth(session_id)).toMatchObject({ progress: 1 / 3, healthy: true });
  });

  it("takes values as they are at the call, and gives out values of the caller's own", async () => {
    const manager = await start();
    const pending = ["a"];
    const results: Record<string, string[]> = { a: ["fine"] };
    const config = { target_path: "src", coding_standards: { deep: { value: 1 } } };
    const creating = manager.createSession(config, { session_id: "x", pending_files: pending });
    config.coding_standards.deep.value = 2;
    pending.push("b");
    expect(await creating).toMatchObject({
      pending_files: ["a"],
      config: { coding_standards: { deep: { value: 1 } } },
    });
    const reporting = manager.reportProgress("x", { processed: ["a"], results });
    results.a?.push("changed");
    await reporting;
    const loaded = await manager.loadSession("x");
    expect(loaded?.partial_results).toEqual({ a: ["fine"] });
    (loaded?.processed_files as string[]).length = 0;
    expect((await manager.loadSession("x"))?.processed_files).toEqual(["a"]);
    await expect(
      manager.saveSession({ ...(loaded as Session), oops: new Date() as never }),
    ).rejects.toMatchObject({ code: "invalid_request" });
  });

  it("cleans up by count and by age, and never what is pinned", async () => {
    const manager = await start();
    const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
    for (let day = 0; day < 12; day++) await manager.saveSession(at(`c${day}`, "completed", daysAgo(day)));
    await manager.saveSession(at("f1", "failed", daysAgo(1)));
    await manager.saveSession(at("f40", "failed", daysAgo(40)));
    await manager.saveSession(at("old", "paused", daysAgo(31)));
    await manager.saveSession({ ...at("kept", "paused", daysAgo(90)), pinned: true });

    expect(await manager.cleanupCompletedSessions()).toBe(2);
    expect(await manager.cleanupCompletedSessions(3)).toBe(7);
    expect((await manager.listSessions("completed")).map((one) => one.session_id)).toEqual([
      "c0",
      "c1",
      "c2",
    ]);
    expect(await manager.cleanupFailedSessions(2)).toBe(1);
    expect(await manager.cleanupFailedSessions()).toBe(1);
    expect(await manager.cleanupExpiredSessions()).toBe(1);
    expect(await manager.sessionExists("kept")).toBe(true);
    expect(await manager.getSessionCount()).toBe(4);
    await expect(manager.cleanupCompletedSessions(-1)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(manager.cleanupExpiredSessions(Number.NaN)).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("backs a session up as it is", async () => {
    const manager = await start();
    const created = await manager.createSession("src", { pending_files: ["a"] });
    const path = await manager.backupSession(created.session_id);
    expect(JSON.parse(await readFile(path ?? "", "utf8"))).toEqual(created);
  });

  it("removes nothing by cleanup after the clock was set, until the plan is approved", async () => {
    const directory = await tempDir();
    const first = new SessionManager({ sessionsDir: directory });
    for (let count = 0; count < 3; count++) {
      const session = await first.createSession({ target_path: "/src" });
      await first.failSession(session.session_id);
    }
    await first.close();
    await pretendClockWasSet(directory, 400 * 86_400_000);
    const manager = await open(directory);
    const refused = await manager.cleanupFailedSessions().catch((error: unknown) => error);
    expect(refused).toMatchObject({
      code: "approval_required",
      message: expect.stringMatching(/^nothing was removed, .*the clock was set forward by 400 d/),
    });
    expect(await manager.getSessionCount()).toBe(3);
    const approve = /the plan is "(\w+)"/.exec((refused as Error).message)?.[1];
    expect(await manager.cleanupFailedSessions(0, { approve })).toBe(3);
    expect(await manager.cleanupFailedSessions()).toBe(0);
  });
});

describe("an embedded SessionManager", () => {
  it("shares its directory with nobody, until it is closed", async () => {
    const directory = await tempDir();
    const first = await backends.embedded(directory);
    const second = await backends.embedded(directory);
    const { session_id } = await first.createSession("src");
    await expect(second.listSessions()).rejects.toMatchObject({ code: "directory_locked" });
    await first[Symbol.asyncDispose]();
    expect(await second.sessionExists(session_id)).toBe(true);
  });

  it("has no use for workers that a daemon had", async () => {
    const directory = await tempDir();
    const { socketPath, stop } = await startDaemonIn(directory);
    const connected = SessionManager.connect({ socketPath });
    onTestFinished(() => connected.close());
    await connected.createSession("src", { session_id: "a", pending_files: ["x"] });
    const worker = await connected.attach("a", { reconnectMs: 0 });
    await stop();
    const embedded = await backends.embedded(directory);
    expect(await embedded.reportProgress("a", { processed: ["x"] })).toMatchObject({ pending_count: 0 });
    await worker?.detach();
  });

  it("does not keep its process from ending, and leaves everything in order", async () => {
    const directory = await tempDir();
    const program = join(await tempDir(), "program.mjs");
    const library = JSON.stringify(resolve(import.meta.dirname, "../../../dist/index.js"));
    await writeFile(
      program,
      `import { SessionManager } from ${library};
       const manager = new SessionManager({ sessionsDir: ${JSON.stringify(directory)} });
       await manager.createSession("src", { session_id: "a", pending_files: ["x"] });
       await manager.reportProgress("a", { processed: ["x"] });`,
    );
    const child = spawn(process.execPath, [program], { stdio: "inherit" });
    onTestFinished(() => void child.kill("SIGKILL"));
    expect(await once(child, "exit")).toEqual([0, null]);
    const document = JSON.parse(await readFile(join(directory, "a.json"), "utf8"));
    expect(document).toMatchObject({ processed_files: ["x"] });
    const manager = await backends.embedded(directory);
    expect(await manager.loadSession("a")).toMatchObject({ processed_files: ["x"], pending_files: [] });
  });

  it("writes backups where it is told", async () => {
    const [directory, backupDir, elsewhere] = [await tempDir(), await tempDir(), await tempDir()];
    const manager = new SessionManager({ sessionsDir: directory, backupDir });
    onTestFinished(() => manager.close());
    const { session_id } = await manager.createSession("src");
    expect(await manager.backupSession(session_id)).toContain(backupDir);
    expect(await manager.backupSession(session_id, elsewhere)).toContain(elsewhere);
  });
});

/** All but what a store counts and names by itself. */
function content(session: Session | null): unknown {
  if (session === null) return null;
  const { revision: _, generation: __, ...rest } = session;
  return rest;
}

/** All but what pausing and resuming change. */
function untimed(session: Session | null): unknown {
  if (session === null) return null;
  const { revision: _, generation: __, checkpoint_time: ___, status_reason: ____, ...rest } = session;
  return rest;
}

function sorted(object: JsonObject): JsonObject {
  const entries = Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

function at(id: string, status: Status, time: string): Session {
  return {
    session_id: id,
    status,
    config: { target_path: "src" },
    processed_files: [],
    pending_files: [],
    partial_results: {},
    checkpoint_time: time,
  };
}
