/**
 * Every method of the SessionManager with odd arguments, embedded and with a daemon: the same outcome, the
 * same code and the same message.
 */
import { inspect } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { SessionManager } from "../../../src/client/manager/session-manager.ts";
import { isSessiondError } from "../../../src/error.ts";
import type { Session } from "../../../src/session/session.ts";
import { isLong } from "../../support/runs.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { startDaemonIn } from "../running-daemon.ts";

const session: Session = {
  session_id: "s",
  status: "running",
  config: { target_path: "/src" },
  processed_files: ["a"],
  pending_files: ["b"],
  partial_results: { a: 1 },
  checkpoint_time: "2026-01-02T03:04:05Z",
  created_time: "2026-01-02T03:04:05Z",
};

const cyclic: Record<string, unknown> = {};
cyclic.self = cyclic;

const oddTexts = [
  "",
  " ",
  "zzz",
  "a\0b",
  "a\nb",
  "\ud800",
  ".",
  "..",
  "x".repeat(129),
  "x".repeat(5000),
  "ß/ü?#%",
];
const oddNumbers = [
  0,
  -0,
  -1,
  1.5,
  7,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  2 ** 53,
  1e300,
  10n,
];
const oddObjects = [
  {},
  { a: 1 },
  [],
  ["a"],
  [1],
  [null],
  ["a", "a"],
  new Date(0),
  /x/,
  () => 1,
  Symbol("s"),
  cyclic,
];
const odd: unknown[] = [undefined, null, true, false, ...oddTexts, ...oddNumbers, ...oddObjects];

const only = (method: string) => (value: unknown) => [method, value];

/** By method and argument: the call with an odd value in that place, and good ones in all others. */
const calls: Record<string, (value: unknown) => unknown[]> = {
  "createSession config": only("createSession"),
  "createSession target_path": (value) => ["createSession", { target_path: value }],
  "createSession file_patterns": (value) => ["createSession", { target_path: "/x", file_patterns: value }],
  "createSession options": (value) => ["createSession", "/x", value],
  "createSession session_id": (value) => ["createSession", "/x", { session_id: value }],
  "createSession pending_files": (value) => ["createSession", "/x", { pending_files: value }],
  "createSession labels": (value) => ["createSession", "/x", { labels: value }],
  "createSession pinned": (value) => ["createSession", "/x", { pinned: value }],
  "saveSession document": only("saveSession"),
  "saveSession session_id": (value) => ["saveSession", { ...session, session_id: value }],
  "saveSession status": (value) => ["saveSession", { ...session, status: value }],
  "saveSession checkpoint_time": (value) => ["saveSession", { ...session, checkpoint_time: value }],
  "saveSession partial_results": (value) => ["saveSession", { ...session, partial_results: value }],
  "saveSession more": (value) => ["saveSession", { ...session, more: value }],
  "loadSession id": only("loadSession"),
  "sessionExists id": only("sessionExists"),
  "checkpoint id": (value) => ["checkpoint", value, [], []],
  "checkpoint processed": (value) => ["checkpoint", "s", value, []],
  "checkpoint pending": (value) => ["checkpoint", "s", [], value],
  "checkpoint results": (value) => ["checkpoint", "s", [], [], value],
  "reportProgress id": (value) => ["reportProgress", value, {}],
  "reportProgress delta": (value) => ["reportProgress", "s", value],
  "reportProgress processed": (value) => ["reportProgress", "s", { processed: value }],
  "reportProgress results": (value) => ["reportProgress", "s", { results: value }],
  "reportProgress added": (value) => ["reportProgress", "s", { added: value }],
  "pauseSession id": only("pauseSession"),
  "pauseSession reason": (value) => ["pauseSession", "s", value],
  "resumeSession id": only("resumeSession"),
  "completeSession id": only("completeSession"),
  "completeSession reason": (value) => ["completeSession", "s", value],
  "failSession id": only("failSession"),
  "failSession reason": (value) => ["failSession", "s", value],
  "updateSessionStatus id": (value) => ["updateSessionStatus", value, "paused"],
  "updateSessionStatus status": (value) => ["updateSessionStatus", "s", value],
  "updateSessionStatus reason": (value) => ["updateSessionStatus", "s", "paused", value],
  "deleteSession id": only("deleteSession"),
  "listSessions status": only("listSessions"),
  "getSessionCount status": only("getSessionCount"),
  "cleanupCompletedSessions keepRecent": only("cleanupCompletedSessions"),
  "cleanupExpiredSessions maxAgeDays": only("cleanupExpiredSessions"),
  "cleanupFailedSessions maxAgeDays": only("cleanupFailedSessions"),
  "cleanupCompletedSessions options": (value) => ["cleanupCompletedSessions", 99, value],
  "cleanupExpiredSessions options": (value) => ["cleanupExpiredSessions", 99, value],
  "cleanupFailedSessions approve": (value) => ["cleanupFailedSessions", 99, { approve: value }],
  "backupSession id": only("backupSession"),
  "backupSession directory": (value) => ["backupSession", "s", value],
  "validateSession id": only("validateSession"),
  "recoverSession id": only("recoverSession"),
  "getSessionHealth id": only("getSessionHealth"),
};

/** What differs between two stores that were treated alike. */
const ownKeys: readonly string[] = ["session_id", "created_time", "checkpoint_time", "generation", "time"];

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, ownKeys.includes(key) ? "own" : plain(item)]),
  );
}

async function outcomeOf(manager: SessionManager, [method, ...args]: readonly unknown[]): Promise<unknown> {
  try {
    const call = manager[method as keyof SessionManager] as (...args: unknown[]) => Promise<unknown>;
    const value = await call.apply(manager, args);
    if (method === "backupSession" && value !== null) return typeof value;
    if (method !== "listSessions") return plain(value);
    return (value as object[]).map((summary) => JSON.stringify(plain(summary))).sort();
  } catch (error) {
    if (!isSessiondError(error)) return error;
    return { code: error.code, message: error.message, issues: error.issues };
  }
}

async function managers(): Promise<[embedded: SessionManager, connected: SessionManager]> {
  const { socketPath } = await startDaemonIn(await tempDir());
  const both = [new SessionManager({ sessionsDir: await tempDir() }), SessionManager.connect({ socketPath })];
  for (const manager of both) onTestFinished(() => manager.close());
  return both as [SessionManager, SessionManager];
}

/** `npm test` gives each method every third value, each another third; `npm run test:long` gives all. */
const every = isLong ? 1 : 3;

test("every method takes and refuses the same, embedded and with a daemon", async () => {
  const both = await managers();
  let refused = 0;
  for (const [at, [name, call]] of Object.entries(calls).entries()) {
    for (const manager of both) await manager.saveSession(session);
    for (const value of odd.filter((_, number) => (at + number) % every === 0)) {
      if (name === "backupSession directory" && isPath(value)) continue;
      const [embedded, connected] = await Promise.all(both.map((manager) => outcomeOf(manager, call(value))));
      const what = `${name}: ${inspect(value)}`;
      expect(embedded, what).toEqual(connected);
      expect(embedded, what).not.toBeInstanceOf(Error);
      if (typeof embedded === "object" && embedded !== null && "code" in embedded) refused++;
    }
  }
  expect(refused).toBeGreaterThan(800 / every);
}, 60_000);

/** Embedded, a backup may be written anywhere; a daemon writes into its own directory. */
function isPath(value: unknown): boolean {
  return typeof value === "string" && value !== "" && !value.includes("\0");
}

const four = "running, paused, completed, failed";

test.each([
  ["getSessionCount", ["zzz"], `status must be one of ${four}, not "zzz"`],
  ["listSessions", ["zzz"], `status must be one of ${four}, not "zzz"`],
  ["listSessions", [""], `status must be one of ${four}, not ""`],
  ["listSessions", [null], `status must be one of ${four}, not null`],
  ["getSessionCount", ["total"], `status must be one of ${four}, not "total"`],
  ["getSessionCount", ["constructor"], `status must be one of ${four}, not "constructor"`],
  ["listSessions", [["paused"]], `status must be one of ${four}, not an array`],
  ["updateSessionStatus", ["s", "zzz"], `status must be one of ${four}, not "zzz"`],
  ["updateSessionStatus", ["s"], `status must be one of ${four}, not undefined`],
  ["cleanupCompletedSessions", [-1], "keepRecent must be a whole number, 0 or more, not -1"],
  ["cleanupCompletedSessions", ["5"], 'keepRecent must be a whole number, 0 or more, not "5"'],
  ["cleanupExpiredSessions", [Number.NaN], "maxAgeDays must be a number from 0 to 100000, not NaN"],
  [
    "cleanupFailedSessions",
    [Number.POSITIVE_INFINITY],
    "maxAgeDays must be a number from 0 to 100000, not Infinity",
  ],
  ["pauseSession", ["s", 7], "the body is not valid: reason: must be a string, not 7"],
  ["saveSession", [null], "the body is not valid: must be an object, not null"],
  ["saveSession", [undefined], "the body is not valid: is missing"],
  ["loadSession", [7], "a session id must be a string"],
] as const)("%s(%j) says what is wrong", async (method, args, message) => {
  const directory = await tempDir();
  const manager = new SessionManager({ sessionsDir: directory });
  onTestFinished(() => manager.close());
  await manager.saveSession(session);
  const code = method === "loadSession" ? "invalid_session_id" : "invalid_request";
  expect(await outcomeOf(manager, [method, ...args])).toMatchObject({ code, message });
  expect(await manager.getSessionCount("running")).toBe(1);
});

test("a tiny age is not taken for none at all", async () => {
  const both = await managers();
  for (const manager of both) {
    const checkpoint_time = new Date(Date.now() + 60_000).toISOString();
    await manager.saveSession({ ...session, status: "failed", checkpoint_time });
    expect(await manager.cleanupFailedSessions(Number.MIN_VALUE)).toBe(0);
  }
});
