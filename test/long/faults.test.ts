import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConnectionError } from "../../src/client/http/connection-error.ts";
import type { SessionClient } from "../../src/client/session-client.ts";
import { SessiondError } from "../../src/error.ts";
import { canCompile } from "../e2e/capability.ts";
import { expectNothingStaged } from "../e2e/directory.ts";
import { type DaemonProcess, type Exit, startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";
import { buildShim, type Fault, type FaultyFunction, faulty, type LoggedCall } from "./fault-shim.ts";
import {
  daemonConfig,
  filesOf,
  leaveKilled,
  type Report,
  reported,
  type State,
  type Step,
  stateAtStart,
  stateOf,
  steps,
} from "./script.ts";

type Kind = Omit<Fault, "k">;

const killed: Exit = { code: null, signal: "SIGKILL" };

const kinds: readonly Kind[] = [
  { fn: "fsync", effect: "EIO" },
  { fn: "fdatasync", effect: "EIO" },
  { fn: "write", effect: "ENOSPC" },
  { fn: "write", effect: "short" },
  { fn: "rename", effect: "EIO" },
  { fn: "link", effect: "EIO" },
  { fn: "unlink", effect: "EIO" },
  { fn: "ftruncate", effect: "EIO" },
];

/**
 * What may become of the k-th write to the journal, which is synced by it, and then of cutting off what it
 * left.
 */
const journalFaults: Readonly<Record<string, (k: number) => Fault[]>> = {
  "not be durable": (k) => [{ fn: "write", effect: "EIO", k }],
  "fill the disk, with half of it written": (k) => [
    { fn: "write", effect: "short", k },
    { fn: "write", effect: "ENOSPC", k: k + 1 },
  ],
  "fill the disk and not be cut off again": (k) => [
    { fn: "write", effect: "ENOSPC", k },
    // At the start half a record was cut off already.
    { fn: "ftruncate", effect: "EIO", k: 2 },
  ],
  "fill the disk and come back after it was cut off": (k) => [
    { fn: "write", effect: "ENOSPC", k },
    // The first belongs to the new segment.
    { fn: "fdatasync", effect: "EIO", k: 2 },
  ],
};

describe.skipIf(!canCompile())("when the file system fails", () => {
  let directory: string;
  let shim: string;
  /** What is there before the first step, and after each. */
  const states: State[] = [];
  let calls: LoggedCall[];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "sessiond-fault-"));
    shim = buildShim(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const begin = async () => {
    const dir = join(await tempDir(), "sessions");
    cpSync(join(directory, "killed"), dir, { recursive: true, preserveTimestamps: true });
    return dir;
  };

  test("the script works, and makes calls of every kind", async () => {
    await leaveKilled(join(directory, "killed"));
    const dir = await begin();
    const { env, calls: logged } = await faulty(shim, `${dir}*`);
    const daemon = await startDaemon({ dir, env, config: daemonConfig });
    states.push(await stateOf(daemon.client));
    for (const step of steps) {
      const before = states.at(-1) as State;
      const { error } = await take(step, daemon.client, dir, before, before);
      expect(error).toBeUndefined();
      states.push(await stateOf(daemon.client));
      if (isReports(step)) expect(states.at(-1)).toEqual(reported(before, step));
    }
    daemon.kill("SIGTERM");
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    calls = logged();
    for (const { fn } of kinds) expect(countOf(fn), fn).toBeGreaterThan(0);
    // The journal is begun, written to and pruned.
    for (const fn of ["open", "write", "unlink"] as const)
      expect(countOf(fn, isSegment), fn).toBeGreaterThan(0);
  });

  const countOf = (fn: FaultyFunction, isMeant = (_: string) => true) =>
    calls.filter((call) => call.fn === fn && isMeant(call.path)).length;

  for (const { fn, effect } of kinds) {
    test(`any one ${fn} may fail with ${effect}`, async () => {
      await surviveEach(countOf(fn), "", (k) => [{ fn, effect, k }]);
    });
  }

  const segments = "/.sessiond/journal/*.log";

  for (const [what, faults] of Object.entries(journalFaults)) {
    test(`any write to the journal may ${what}`, async () => {
      await surviveEach(countOf("write", isSegment), segments, faults);
    });
  }

  test.each(["EIO", "ENOSPC"] as const)("a segment may not be begun for %s", async (effect) => {
    await surviveEach(countOf("open", isSegment), segments, (k) => [{ fn: "open", effect, k }]);
  });

  test.each(["rename", "link", "unlink"] as const)(
    "any one %s may be the last thing it wanted",
    async (fn) => {
      await surviveEach(countOf(fn), "", (k) => [{ fn, effect: "kill", k }]);
    },
  );

  test("any write to the journal may be the last thing it wanted", async () => {
    await surviveEach(countOf("write", isSegment), segments, (k) => [{ fn: "write", effect: "kill", k }]);
  });

  async function surviveEach(count: number, where: string, faults: (k: number) => Fault[]): Promise<void> {
    const wrong: string[] = [];
    const turns = Array.from({ length: count }, (_, turn) => turn + 1).values();
    const worker = async () => {
      for (const k of turns) {
        await survive(faults(k), where).catch((error: Error) => wrong.push(`#${k}: ${error.message}`));
      }
    };
    await Promise.all([worker(), worker()]);
    expect(wrong).toEqual([]);
  }

  /** Runs the script, with calls in it that fail; tells the truth of it throughout. */
  async function survive(faults: Fault[], pattern: string): Promise<void> {
    const dir = await begin();
    const { env, calls: logged } = await faulty(shim, `${dir}${pattern || "*"}`, faults);
    const failed = () => logged().filter((call) => call.result !== "ok");
    const daemon = await startDaemon({ dir, env, config: daemonConfig }).catch((error: Error) => error);
    if (daemon instanceof Error) {
      // It may refuse to start, but then says so and leaves all as it was.
      const ending = failed().some(isKill) ? '{"code":null,"signal":"SIGKILL"}' : '{"code":1,"signal":null}';
      expect(daemon.message).toContain(ending);
      await expectAfterRestart(dir, states.slice(0, 1));
      return;
    }
    const { allowed, failure } = await play(daemon, dir, 0);
    const names = failed().map(({ fn, path }) => `${fn} ${path.replace(dir, "")}`);
    const where = `step ${failure?.step}, ${names.join(", ") || "no call"}: ${failure?.error.message}`;
    // What the daemon writes on its own may be fewer calls this time.
    if (failed().some(isKill)) {
      expect(await endOf(daemon), where).toEqual(killed);
      await expectAfterRestart(dir, allowed, where);
      return;
    }
    if (failed().some(isFatal)) {
      expect(await endOf(daemon), where).toEqual({ code: 1, signal: null });
      await expectAfterRestart(dir, allowed, where);
      return;
    }
    if (failure !== undefined) {
      // One failure is over: what was asked for again works, and so does the rest.
      const found = await stateOf(daemon.client);
      expect(allowed, where).toContainEqual(found);
      const isDone = isEqual(found, states[failure.step + 1]) && !isEqual(found, states[failure.step]);
      const rest = await play(daemon, dir, failure.step + (isDone ? 1 : 0));
      expect(rest.failure?.error, where).toBeUndefined();
      expect(await stateOf(daemon.client), where).toEqual(states.at(-1));
    }
    daemon.kill("SIGTERM");
    const exit = await daemon.exited;
    if (failed().some(isKill)) expect(exit, where).toEqual(killed);
    else if (!failed().some(isFatal)) expect(exit, where).toEqual({ code: 0, signal: null });
    // A torn end that could not be kept stays in the journal. The next start cannot tell it from damage.
    const isLeft = failed().some(({ path }) => path.includes("/quarantine/journal-"));
    await expectAfterRestart(dir, states.slice(-1), where, isLeft ? ["journal_damaged"] : []);
  }

  /** Runs the steps from one on, until one fails. Resolves with the states that may be there then. */
  async function play(daemon: DaemonProcess, dir: string, from: number) {
    for (let step = from; step < steps.length; step++) {
      const [before, after] = [states[step] as State, states[step + 1] as State];
      const { allowed, error } = await take(steps[step] as Step, daemon.client, dir, before, after);
      if (error !== undefined) return { allowed, failure: { step, error } };
      const found = await stateOf(daemon.client).catch(toFailure);
      if (found instanceof Error) return { allowed, failure: { step, error: found } };
      expect(found, `after step ${step}`).toEqual(after);
    }
    return { allowed: states.slice(-1), failure: undefined };
  }

  async function take(step: Step, client: SessionClient, dir: string, before: State, after: State) {
    if (!isReports(step)) {
      const error = await step(client, dir).then(() => undefined, toFailure);
      if (error === undefined) return { allowed: [after] };
      return { error, allowed: error.outcome === "unknown" ? [before, after] : [before] };
    }
    const replies = await Promise.all(
      step.map((report) => client.reportProgress(...report).then(() => undefined, toFailure)),
    );
    let allowed = [before];
    for (const [index, reply] of replies.entries()) {
      const report = step[index] as Report;
      const applied = allowed.map((state) => reported(state, [report]));
      if (reply === undefined) allowed = applied;
      else if (reply.outcome === "unknown") allowed.push(...applied);
    }
    return { allowed, error: replies.find((reply) => reply !== undefined) };
  }

  async function expectAfterRestart(
    dir: string,
    allowed: State[],
    where?: string,
    told: readonly string[] = [],
  ): Promise<void> {
    const { state, problems } = await stateAtStart(dir);
    expect(allowed, where).toContainEqual(state);
    expect(
      problems.filter(({ code }) => !told.includes(code)),
      where,
    ).toEqual([]);
    expect(filesOf(dir), where).toEqual(state.sessions);
    expectNothingStaged(dir);
  }

  test.each([1, 3, 8, 20])(
    "after failed sync %i of the directory none follows that could acknowledge",
    async (k) => {
      const dir = join(await tempDir(), "sessions");
      // The first two belong to the start.
      const { env, calls: logged } = await faulty(shim, dir, [{ fn: "fsync", effect: "EIO", k: k + 2 }]);
      const daemon = await startDaemon({ dir, env });
      const acknowledged: string[] = [];
      const callers = Array.from({ length: 20 }, async (_, caller) => {
        for (let number = 0; ; number++) {
          const session_id = `${caller}-${number}`;
          await daemon.client.createSession({ session_id, config: { target_path: "/src" } });
          acknowledged.push(session_id);
        }
      });
      for (const { reason } of (await Promise.allSettled(callers)) as PromiseRejectedResult[]) {
        expect(["storage_failed", "shutting_down", "daemon_unreachable"]).toContain(reason.code);
      }
      expect(await endOf(daemon)).toEqual({ code: 1, signal: null });
      const syncs = logged().map((call) => call.result);
      expect(syncs.slice(syncs.indexOf("EIO"))).toEqual(["EIO"]);
      const { client } = await startDaemon({ dir });
      for (const id of acknowledged) expect(await client.sessionExists(id)).toBe(true);
    },
  );
});

/**
 * After these nothing can be believed but what is read again at a new start. The journal is synced by its
 * writes.
 */
function isFatal({ fn, path, result }: LoggedCall): boolean {
  if (fn === "write") return result === "EIO" && isSegment(path);
  return fn === "fsync" || fn === "fdatasync" || (fn === "ftruncate" && isSegment(path));
}

function isKill({ result }: LoggedCall): boolean {
  return result === "kill";
}

function isSegment(path: string): boolean {
  return /\/journal\/\d+\.log$/.test(path);
}

function isReports(step: Step): step is readonly Report[] {
  return Array.isArray(step);
}

/** @throws what is neither an answer nor the lack of one */
function toFailure(error: unknown): SessiondError | ConnectionError {
  if (error instanceof SessiondError || error instanceof ConnectionError) return error;
  throw error;
}

/** How the daemon ended by itself, or that it did not. */
function endOf(daemon: DaemonProcess): Promise<Exit | "still running"> {
  const deadline = sleep(15_000, "still running" as const, { ref: false });
  return Promise.race([daemon.exited, deadline]);
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
