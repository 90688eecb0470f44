/** The check of workers: right workers pass, and every fault of a wrong one is caught and named. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");
const program = join(root, "dist/tools/check-worker.js");
const worker = [process.execPath, join(root, "test/fixtures/wrong-worker.mjs")];

interface Run {
  args?: readonly string[];
  isShared?: boolean;
  fault?: string;
}

async function check({ args = [], isShared = false, fault = "" }: Run, command: readonly string[] = worker) {
  const all = [program, ...(isShared ? ["--shared"] : []), ...args, "--", ...command];
  const child = spawn(process.execPath, all, {
    env: { ...process.env, FAULT: fault, SHARED: isShared ? "1" : "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // On SIGTERM it ends its worker too.
  onTestFinished(() => void child.kill("SIGTERM"));
  const [[code], stdout, stderr] = await Promise.all([
    once(child, "close"),
    text(child.stdout),
    text(child.stderr),
  ]);
  return { code: code as number, stdout, stderr };
}

/** The fault, the scenario in which it is caught, what is said of it, and whether it is a shared worker's. */
const faults: readonly [string, string, string, "shared"?][] = [
  ["repeats seq", "plain", "sent seq 1 after 1"],
  ["ignores refusals", "refused-last-report", 'while 1 file is pending: "src/file-3.py"'],
  [
    "works on what it has not claimed",
    "plain",
    'reported "src/file-9.py", which it had not claimed',
    "shared",
  ],
  ["asks for no upgrade", "plain", "asked to attach without `Connection: Upgrade`"],
  ["speaks WebSocket", "plain", 'the upgrade to "websocket" instead of "sessiond-channel/1"'],
  ["does not encode the id", "odd-session-id", "with the id percent-encoded"],
  ["forgets shared", "plain", "attached without `shared=true`", "shared"],
  ["sends no JSON", "plain", "sent a line that is not JSON"],
  ["sends blank lines", "plain", "sent a line that is not JSON"],
  ["sends keys of its own", "plain", "at: is not a known key"],
  ["writes Latin-1", "odd-file-names", "sent bytes that are not UTF-8"],
  ["writes names in ASCII", "odd-file-names", 'reported "umlaut-?.py", which it was never given'],
  ["makes up a file", "plain", 'reported "src/file-1.py.bak", which it was never given'],
  ["ends in a line", "plain", "in the middle of a line"],
  ["claims an exclusive session", "plain", "sent `claim`, which only a shared worker may"],
  ["takes packets for lines", "odd-pieces", "ended with status 1"],
  ["takes packets for lines", "several-lines-at-once", "ended with status 1"],
  ["stumbles over empty lines", "empty-lines", "ended with status 1"],
  ["stumbles over unknown types", "unknown-types-and-keys", "ended with status 1"],
  ["wants its own seq", "one-ack-for-many", "did not end within 3 s"],
  ["ignores refusals", "outcome-unknown-lost", "ended with status 0"],
  ["ignores a pause", "paused-at-the-start", "went on working while the session was paused"],
  ["ignores a pause", "paused-in-between", "went on working while the session was paused"],
  ["ignores a pause", "paused-in-between", "went on working while the session was paused", "shared"],
  ["ignores a pause", "completed-by-others", "went on working while the session was completed"],
  ["reads nothing after a pause", "paused-in-between", '"added-during-the-pause.py"'],
  ["forgets its token", "cut-before-ack", "came back without the header `Sessiond-Token`"],
  ["does not come back", "cut-after-ack", "ended with status 1"],
  ["does not come back", "daemon-restarts", "ended with status 1"],
  [
    "reports all again",
    "cut-before-ack",
    'reported "src/file-1.py", though its earlier report was acknowledged',
  ],
  ["takes half a line for a line", "cut-in-a-line", "ended with status 1"],
  ["comes back in any case", "lease-lost", "had been told that its lease is over"],
  ["comes back in any case", "session-deleted", "had been told that its lease is over"],
  ["forgets to detach", "plain", "without `detach`"],
  ["goes on after detach", "plain", "sent another message after `detach`"],
  [
    "reports each file twice",
    "late-acks",
    'reported "src/file-1.py", though its earlier report is under way',
  ],
  [
    "reports results of others",
    "plain",
    'reported a result for "src/file-9.py", which it had not claimed',
    "shared",
  ],
  ["keeps the status when it comes back", "resumed-while-away", "did not end within 3 s"],
  ["leaves before it is let go", "cut-before-detach", "did not come back to detach"],
  ["ignores refusals", "refused-claim", "did not end within 3 s", "shared"],
  ["exits with 3", "plain", "ended with status 3, though all files are done"],
  ["ignores what it has claimed", "claim-lost-on-the-way", "did not end within 3 s", "shared"],
  ["does not wait for its claim", "claim-waits", "ended with status 0", "shared"],
  ["claims once", "one-file-a-claim", "ended with status 0", "shared"],
];

/** Scenarios without waits, for `npm test`. */
const quick = ["plain", "odd-pieces", "odd-file-names", "cut-after-ack"].flatMap((name) => [
  "--scenario",
  name,
]);

describe("check-worker", () => {
  it.each([false, true])(
    "finds nothing wrong with a right worker (shared: %s)",
    async (isShared) => {
      const { code, stdout } = await check({ isShared, args: isLong ? [] : quick });
      expect(stdout).not.toContain("WRONG");
      expect(code).toBe(0);
    },
    120_000,
  );

  it.runIf(isLong)(
    "finds nothing wrong with the small worker in Python",
    async () => {
      const small = `exec python3 ${join(root, "examples/worker.py")} "$SESSIOND_SOCKET" "$SESSIOND_SESSION"`;
      const { code, stdout } = await check({}, ["sh", "-c", small]);
      expect(stdout).not.toContain("WRONG");
      expect(code).toBe(0);
    },
    120_000,
  );

  it.each(isLong ? faults : faults.slice(0, 3))("catches one that %s, in %s", async (...row) => {
    const [fault, scenario, said, kind] = row;
    const args = ["--timeout", "3", "--scenario", scenario];
    const { code, stdout } = await check({ fault, args, isShared: kind === "shared" });
    expect(stdout).toContain(`WRONG ${scenario}: it `);
    expect(stdout).toContain(said);
    expect(code).toBe(1);
  });

  it("says what it cannot do, with status 2", async () => {
    const runs: [readonly string[], readonly string[], string][] = [
      [[], [], "which worker?"],
      [["--scenario", "nonsense"], worker, 'there is no scenario "nonsense" for exclusive workers'],
      [["--scenario", "claim-waits"], worker, 'there is no scenario "claim-waits" for exclusive workers'],
      [["--timeout", "soon"], worker, "--timeout must be a number of seconds"],
      [["--scenario", "plain"], ["/does/not/exist"], "/does/not/exist"],
    ];
    for (const [args, command, said] of isLong ? runs : runs.slice(-1))
      expect(await check({ args }, command)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining(said),
      });
  });

  it.runIf(isLong)("ends a worker that hangs, with all that it has started", async () => {
    const command = ["sh", "-c", "sleep 4321 & wait"];
    const { code, stdout } = await check({ args: ["--timeout", "1", "--scenario", "plain"] }, command);
    expect(stdout).toContain("did not end within 1 s; 20 files are pending");
    expect(code).toBe(1);
    expect(spawnSync("pgrep", ["-f", "^sleep 4321$"]).status).toBe(1);
  });

  it.runIf(isLong)(
    "does not wait for what has left the worker's group and keeps its output open",
    async () => {
      const startedMs = performance.now();
      const command = ["sh", "-c", "setsid sleep 20 & exit 3"];
      const { code, stdout } = await check({ args: ["--scenario", "plain"] }, command);
      expect(stdout).toContain("it ended with status 3 and never attached");
      expect(code).toBe(1);
      expect(performance.now() - startedMs).toBeLessThan(15_000);
    },
  );

  it.runIf(isLong)("says that a request is not HTTP", async () => {
    const program = 'require("net").connect(process.env.SESSIOND_SOCKET).write("hello\\n\\n")';
    const { stdout } = await check({ args: ["--scenario", "plain"] }, [process.execPath, "-e", program]);
    expect(stdout).toContain("its request is not HTTP: Parse Error");
  });

  it.runIf(isLong)("leaves nothing behind when it is interrupted", async () => {
    const directory = await tempDir();
    const args = [program, "--scenario", "plain", "--", "sh", "-c", "sleep 4322 & wait"];
    const child = spawn(process.execPath, args, { env: { ...process.env, TMPDIR: directory } });
    onTestFinished(() => void child.kill("SIGTERM"));
    const isWorking = () => spawnSync("pgrep", ["-f", "^sleep 4322$"]).status === 0;
    await eventually(async () => expect(isWorking()).toBe(true));
    child.kill("SIGINT");
    expect(await once(child, "exit")).toEqual([130, null]);
    expect(await readdir(directory)).toEqual([]);
    await eventually(async () => expect(isWorking()).toBe(false));
  });
});
