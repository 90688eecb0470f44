import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { isSessiondError } from "../../src/error.ts";
import { scene } from "../client/worker/fixture.ts";
import { expectIndexEqualsDirectory, expectNothingStaged } from "../e2e/directory.ts";
import {
  type DaemonProcess,
  type Program,
  sessiondProgram,
  startDaemon,
  startProgram,
} from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { startHeld } from "./held-start.ts";
import { openRequest } from "./open-request.ts";

const config = { target_path: "/src" };

test("without flags or a file it serves ./.sessions, for its own user alone", async () => {
  const cwd = await tempDir();
  const program = await startProgram(sessiondProgram, [], { cwd });
  const socket = join(cwd, ".sessions", ".sessiond", "sessiond.sock");
  const client = new SessionClient({ socketPath: socket });
  const info = await eventually(() => client.getInfo());
  client.close();
  expect(info).toMatchObject({ pid: program.pid, socket, config_file: null });
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(statSync(join(cwd, ".sessions")).mode & 0o777).toBe(0o750);
});

test("SIGINT stops it gracefully", async () => {
  const daemon = await startDaemon();
  await daemon.client.createSession({ session_id: "kept", config });
  daemon.kill("SIGINT");
  await expectStopped(daemon, "SIGINT");
});

describe("while it stops", () => {
  test("a request whose body is still arriving is answered, and durable", async () => {
    const daemon = await startDaemon();
    const body = JSON.stringify({ session_id: "slow", config });
    const { reply, send } = openRequest(daemon.socket, body.length);
    await send(body.slice(0, 10));
    // The answer on another connection shows that the daemon has read the first one.
    await daemon.client.getStats();
    daemon.kill("SIGTERM");
    await eventually(() => expect(existsSync(daemon.socket)).toBe(false));
    await send(body.slice(10));
    expect(await reply).toMatchObject({ status: 201, connection: "close" });
    await expectStopped(daemon, "SIGTERM");
    expect(readdirSync(daemon.sessionsDir)).toContain("slow.json");
  });

  test("callers that go on are told that it is shutting down, and nothing of theirs is half done", async () => {
    const daemon = await startDaemon();
    const acknowledged: string[] = [];
    const refusals: unknown[] = [];
    const callers = Array.from({ length: 12 }, async (_, caller) => {
      for (let count = 0; ; count++) {
        const session_id = `s-${caller}-${count}`;
        try {
          await daemon.client.createSession({ session_id, config });
          acknowledged.push(session_id);
          // Some connections are idle at any moment: a request under way would still be carried out.
          await sleep(50 * Math.random());
        } catch (error) {
          refusals.push(error);
          if (!isSessiondError(error, "shutting_down")) return;
        }
      }
    });
    await eventually(() => expect(acknowledged.length).toBeGreaterThan(20));
    daemon.kill("SIGTERM");
    await Promise.all(callers);
    expect(await daemon.exited).toEqual({ code: 0, signal: null });
    expect(refusals.filter((error) => isSessiondError(error, "shutting_down"))).not.toEqual([]);
    // In the end the socket is gone, and each caller knows that nothing was applied.
    for (const error of refusals) expect(error).toMatchObject({ outcome: "not_applied" });
    const files = readdirSync(daemon.sessionsDir).filter((name) => name.endsWith(".json"));
    expect(files.sort()).toEqual(acknowledged.map((id) => `${id}.json`).sort());
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("a second %s ends it at once with %i", async (signal, code) => {
    const daemon = await startDaemon();
    await openRequest(daemon.socket, 100).send("{");
    await daemon.client.getStats();
    daemon.kill("SIGTERM");
    await eventually(() => expect(existsSync(daemon.socket)).toBe(false));
    daemon.kill(signal);
    expect(await daemon.exited).toEqual({ code, signal: null });
  });
});

test("SIGTERM while it starts stops it as soon as it has started", async () => {
  const daemon = await startHeld({});
  daemon.kill("SIGTERM");
  daemon.goOn();
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
  expect(messages(daemon)).toContain("SIGTERM: stopping");
  expect(messages(daemon).at(-1)).toBe("sessiond has stopped");
  expect(existsSync(daemon.socket)).toBe(false);
});

test("after a restart everything is as it was", async () => {
  const at = await scene();
  const { client } = at;
  await client.createSession({ session_id: "a", config, pending_files: ["1", "2"], labels: { team: "x" } });
  await client.reportProgress("a", { processed: ["1"], results: { "1": { score: 0.5 } } });
  await client.pauseSession("a", { reason: "lunch" });
  await client.createSession({ session_id: "б/в", config, pinned: true });
  await client.createSession({ session_id: "gone", config });
  await client.deleteSession("gone");
  const before = [await client.getSession("a"), await client.getSession("б/в"), await client.listTrash()];
  const listed = await client.listSessions();
  await at.restart();
  expect([await client.getSession("a"), await client.getSession("б/в"), await client.listTrash()]).toEqual(
    before,
  );
  expect(await client.listSessions()).toEqual(listed);
  expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
  await expect(client.getSession("gone")).rejects.toMatchObject({ code: "session_deleted" });
  await expectIndexEqualsDirectory(client, at.directory);
});

async function expectStopped(daemon: DaemonProcess, signal: NodeJS.Signals): Promise<void> {
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
  expect(existsSync(daemon.socket)).toBe(false);
  expect(messages(daemon)).toContain(`${signal}: stopping`);
  expect(messages(daemon).at(-1)).toBe("sessiond has stopped");
  expectNothingStaged(daemon.sessionsDir);
}

function messages(program: Program): string[] {
  return program
    .stderr()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).msg as string);
}
