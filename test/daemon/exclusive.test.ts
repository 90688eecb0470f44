import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { type DaemonProcess, launchDaemon, type Program, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { openRequest } from "./open-request.ts";

const config = { target_path: "/src" };

/** The reason in the last line of the log. */
function fatal(program: Program): { code: string; msg: string } {
  return JSON.parse(program.stderr().trimEnd().split("\n").at(-1) ?? "{}");
}

async function expectUndisturbed(daemon: DaemonProcess, id: string): Promise<void> {
  await daemon.client.createSession({ session_id: id, config });
  expect((await daemon.client.getSession(id)).session_id).toBe(id);
  expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
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
  await expectUndisturbed(first, "a");
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
  await expectUndisturbed(first, "a");
  // It has given its own directory free, though.
  const third = await startDaemon({ dir: second.sessionsDir });
  await expectUndisturbed(third, "b");
});

test("of ten daemons that start at once on one directory exactly one lives", async () => {
  const dir = await tempDir();
  const daemons = await Promise.all(Array.from({ length: 10 }, () => launchDaemon({ dir })));
  const ended = new Set<Program>();
  for (const daemon of daemons) void daemon.exited.then(() => ended.add(daemon));
  await eventually(() => expect(ended.size).toBe(9));
  const [living] = daemons.filter((daemon) => !ended.has(daemon));
  await eventually(() => expect(living?.stderr()).toContain("sessiond is ready"));
  for (const loser of ended) {
    expect(await loser.exited).toEqual({ code: 1, signal: null });
    expect(fatal(loser).code).toBe("directory_locked");
  }
  expect(readdirSync(dir)).toEqual([".sessiond"]);
});

test("when the owner is killed, another takes over at once", async () => {
  const owner = await startDaemon();
  await owner.client.createSession({ session_id: "a", config });
  owner.kill("SIGKILL");
  await owner.exited;
  const heir = await startDaemon({ dir: owner.sessionsDir, args: ["--socket", owner.socket] });
  expect((await heir.client.getSession("a")).session_id).toBe("a");
  await expectUndisturbed(heir, "b");
});

test("a daemon that is stopping leaves the socket of its successor alone", async () => {
  const first = await startDaemon();
  const { send, reply } = openRequest(first.socket, 2);
  await send("{");
  await first.client.getInfo();
  first.kill("SIGTERM");
  await eventually(() => expect(existsSync(first.socket)).toBe(false));
  const heir = await startDaemon({ args: ["--socket", first.socket] });
  await send("}");
  expect(await reply).toMatchObject({ status: 400 });
  expect(await first.exited).toEqual({ code: 0, signal: null });
  await expectUndisturbed(heir, "a");
});
