import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { SessionClient } from "../../src/client/session-client.ts";
import { clientOf } from "../client/http/fake-daemon.ts";
import { startDaemonIn } from "../client/running-daemon.ts";
import { launchDaemon, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { expectOneOfMany, fatal } from "./one-of-many.ts";
import { openRequest } from "./open-request.ts";

const config = { target_path: "/src" };

async function expectUndisturbed(client: SessionClient, id: string): Promise<void> {
  await client.createSession({ session_id: id, config });
  expect((await client.getSession(id)).session_id).toBe(id);
  expect(await client.getHealth()).toEqual({ status: "ok", problems: [] });
}

test("a second daemon on one directory ends with directory_locked and names the first", async () => {
  const first = await startDaemon();
  const second = await launchDaemon({ dir: first.sessionsDir });
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(fatal(second)).toMatchObject({
    code: "directory_locked",
    msg: expect.stringContaining(`process ${first.pid} `),
  });
  expect(existsSync(second.socket)).toBe(false);
  await expectUndisturbed(first.client, "a");
});

test("a second daemon on one socket ends with socket_in_use, and the first goes on serving", async () => {
  const first = await startDaemon();
  const second = await launchDaemon({ args: ["--socket", first.socket] });
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(fatal(second)).toMatchObject({
    code: "socket_in_use",
    msg: expect.stringContaining(first.socket),
  });
  first.client.close();
  await expectUndisturbed(first.client, "a");
  // It has given its own directory free, though.
  const third = await startDaemonIn(second.sessionsDir);
  await expectUndisturbed(clientOf(third.socketPath), "b");
});

test("of daemons that start at once on one directory exactly one lives", async () => {
  await expectOneOfMany(3);
});

test("when the owner is killed, another takes over at once", async () => {
  const owner = await startDaemon();
  await owner.client.createSession({ session_id: "a", config });
  owner.kill("SIGKILL");
  expect(await owner.exited).toEqual({ code: null, signal: "SIGKILL" });
  expect(existsSync(owner.socket)).toBe(true);
  const heir = await startDaemon({ dir: owner.sessionsDir, args: ["--socket", owner.socket] });
  expect((await heir.client.getSession("a")).session_id).toBe("a");
  await expectUndisturbed(heir.client, "b");
});

test("a daemon that is stopping leaves the socket of its successor alone", async () => {
  const first = await startDaemonIn(await tempDir());
  const { send, reply } = openRequest(first.socketPath, 2);
  await send("{");
  await clientOf(first.socketPath).getInfo();
  const stopping = first.stop();
  await eventually(() => expect(existsSync(first.socketPath)).toBe(false));
  const heir = await startDaemonIn(await tempDir(), undefined, first.socketPath);
  await send("}");
  expect(await reply).toMatchObject({ status: 400 });
  await stopping;
  await expectUndisturbed(clientOf(heir.socketPath), "a");
});
