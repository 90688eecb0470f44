import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConnectionError } from "../../src/client/connection-error.ts";
import { SessiondError } from "../../src/error.ts";
import { canCompile } from "../e2e/capability.ts";
import { expectIndexEqualsDirectory, expectNothingStaged } from "../e2e/directory.ts";
import { type DaemonProcess, type Exit, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { buildShim, type Fault, type FaultyFunction, faulty, type LoggedCall } from "./fault-shim.ts";
import { stateOf, steps } from "./script.ts";

const faults: readonly Omit<Fault, "k">[] = [
  { fn: "fsync", effect: "EIO" },
  { fn: "fdatasync", effect: "EIO" },
  { fn: "write", effect: "ENOSPC" },
  { fn: "write", effect: "short" },
  { fn: "rename", effect: "EIO" },
  { fn: "link", effect: "EIO" },
  { fn: "unlink", effect: "EIO" },
];

describe.skipIf(!canCompile())("when the file system fails", () => {
  let directory: string;
  let shim: string;
  /** What is there before the first step, and after each. */
  const states: unknown[] = [];
  let calls: LoggedCall[];

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "sessiond-fault-"));
    shim = buildShim(directory);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test("the script works, and makes calls of every kind", async () => {
    const dir = join(await tempDir(), "sessions");
    const { env, calls: logged } = await faulty(shim, `${dir}*`);
    const { client } = await startDaemon({ dir, env });
    states.push(await stateOf(client));
    for (const step of steps) {
      await step(client);
      states.push(await stateOf(client));
    }
    calls = logged();
    for (const { fn } of faults) expect(countOf(fn)).toBeGreaterThan(0);
  });

  const countOf = (fn: FaultyFunction) => calls.filter((call) => call.fn === fn).length;

  for (const { fn, effect } of faults) {
    test(`any one ${fn} may fail with ${effect}`, async () => {
      const wrong: string[] = [];
      const turns = Array.from({ length: countOf(fn) }, (_, turn) => turn + 1).values();
      const worker = async () => {
        for (const k of turns) {
          await survive({ fn, effect, k }).catch((error: Error) => wrong.push(`#${k}: ${error.message}`));
        }
      };
      await Promise.all([worker(), worker()]);
      expect(wrong).toEqual([]);
    });
  }

  /** Runs the script, with one call in it that fails; tells the truth of it throughout. */
  async function survive(fault: Fault): Promise<void> {
    const dir = join(await tempDir(), "sessions");
    const isSync = fault.fn === "fsync" || fault.fn === "fdatasync";
    const { env, calls: logged } = await faulty(shim, `${dir}*`, fault);
    const failedCall = () => {
      const at = logged().findIndex((call) => !call.ok);
      return at === -1 ? "no call" : `${fault.fn} ${logged()[at]?.path.replace(dir, "")}`;
    };
    const daemon = await startDaemon({ dir, env }).catch((error: Error) => error);
    if (daemon instanceof Error) {
      // It may refuse to start, but then says so and leaves all as it was.
      expect(daemon.message).toContain('{"code":1,"signal":null}');
      await expectAfterRestart(dir, [states[0]]);
      return;
    }
    const { allowed, failure } = await play(daemon, 0);
    const where = `step ${failure?.step}, ${failedCall()}: ${failure?.error.message}`;
    // What the daemon writes on its own may be fewer calls this time.
    if (isSync && logged().some((call) => !call.ok)) {
      expect(await endOf(daemon), where).toEqual({ code: 1, signal: null });
    } else if (failure !== undefined) {
      // One failure is over: what was asked for again works, and so does the rest.
      const found = await stateOf(daemon.client);
      expect(allowed, where).toContainEqual(found);
      const rest = await play(daemon, failure.step + (isEqual(found, states[failure.step]) ? 0 : 1));
      expect(rest.failure?.error, where).toBeUndefined();
      expect(await stateOf(daemon.client), where).toEqual(states.at(-1));
    }
    daemon.kill("SIGTERM");
    await daemon.exited;
    await expectAfterRestart(dir, isSync ? allowed : [states.at(-1)], where);
  }

  /** Runs the steps from one on, until one fails. Resolves with the states that may be there then. */
  async function play({ client }: DaemonProcess, from: number) {
    for (let step = from; step < steps.length; step++) {
      let acknowledged = false;
      try {
        await steps[step]?.(client);
        acknowledged = true;
        expect(await stateOf(client), `after step ${step}`).toEqual(states[step + 1]);
      } catch (error) {
        if (!(error instanceof SessiondError || error instanceof ConnectionError)) throw error;
        const [before, after] = [states[step], states[step + 1]];
        if (acknowledged) return { allowed: [after], failure: { step, error } };
        const allowed = error.outcome === "unknown" ? [before, after] : [before];
        return { allowed, failure: { step, error } };
      }
    }
    return { allowed: [states.at(-1)], failure: undefined };
  }

  async function expectAfterRestart(dir: string, allowed: unknown[], where?: string): Promise<void> {
    const { client } = await startDaemon({ dir });
    expect(allowed, where).toContainEqual(await stateOf(client));
    await expectIndexEqualsDirectory(client, dir);
    await eventually(() => expectNothingStaged(dir));
  }

  test.each([1, 3, 8, 20])(
    "after failed sync %i of the directory none follows that could acknowledge",
    async (k) => {
      const dir = join(await tempDir(), "sessions");
      // The first two belong to the start.
      const { env, calls: logged } = await faulty(shim, dir, { fn: "fsync", effect: "EIO", k: k + 2 });
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
      const syncs = logged().map((call) => (call.ok ? "ok" : "failed"));
      expect(syncs.slice(syncs.indexOf("failed"))).toEqual(["failed"]);
      const { client } = await startDaemon({ dir });
      for (const id of acknowledged) expect(await client.sessionExists(id)).toBe(true);
    },
  );
});

/** How the daemon ended by itself, or that it did not. */
function endOf(daemon: DaemonProcess): Promise<Exit | "still running"> {
  const deadline = sleep(15_000, "still running" as const, { ref: false });
  return Promise.race([daemon.exited, deadline]);
}

function isEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
