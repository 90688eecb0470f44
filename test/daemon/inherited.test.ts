/**
 * A daemon whose socket another process has opened, as systemd does. Tests with systemd itself: test/service.
 */
import { chmodSync, statSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { sessiondProgram, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { http, jsonOf } from "../support/http.ts";
import { tempDir } from "../support/temp-dir.ts";
import { openRequest } from "./open-request.ts";

/** A bound socket on which this process does not listen. Node.js makes such for the workers of a cluster. */
function boundSocket(path: string): number {
  const create = (
    net as unknown as { _createServerHandle(...args: unknown[]): { fd: number; close(): void } }
  )._createServerHandle;
  const handle = create(path, -1, -1);
  onTestFinished(() => handle.close());
  return handle.fd;
}

const passing = (count: number, names = "control") => [
  ...["sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=${count} LISTEN_FDNAMES=${names} exec "$0" "$@"`],
];

test("it serves the socket that it is given, and leaves it to the next daemon", async () => {
  const directory = await tempDir();
  const path = join(directory, "given.sock");
  const descriptors = [boundSocket(path)];
  chmodSync(path, 0o640);
  const args = ["--sessions-dir", join(directory, "sessions"), "--socket", path];
  const start = () => startProgram(sessiondProgram, args, { wrap: passing(1), descriptors });
  const client = new SessionClient({ socketPath: path });
  onTestFinished(() => client.close());

  const first = await start();
  expect((await eventually(() => client.getInfo())).pid).toBe(first.pid);
  const body = JSON.stringify({ session_id: "slow", config: { target_path: "/src" } });
  const { reply, send } = openRequest(path, body.length);
  await send(body.slice(0, 10));
  await client.getStats();
  // Before that a signal is kept for later.
  await eventually(() => expect(first.stderr()).toContain("sessiond is ready"));
  first.kill("SIGTERM");
  await eventually(() => expect(first.stderr()).toContain("SIGTERM: stopping"));
  const waiting = http(path, "GET", "/v1/info");
  await send(body.slice(10));
  expect(await reply).toMatchObject({ status: 201, connection: "close" });
  expect(await first.exited).toEqual({ code: 0, signal: null });
  expect(statSync(path).mode & 0o777).toBe(0o640);

  const second = await start();
  expect(jsonOf(await waiting).pid).toBe(second.pid);
  expect((await client.getSession("slow")).session_id).toBe("slow");
});

test("a second one is for reading only, whatever the order", async () => {
  const directory = await tempDir();
  const [control, read] = [join(directory, "control.sock"), join(directory, "read.sock")];
  const descriptors = [boundSocket(read), boundSocket(control)];
  await startProgram(sessiondProgram, ["--sessions-dir", join(directory, "sessions"), "--socket", control], {
    wrap: passing(2, "read:control"),
    descriptors,
  });
  await eventually(async () => expect((await http(control, "POST", "/v1/reload")).status).toBe(200));
  expect((await http(read, "GET", "/v1/info")).status).toBe(200);
  expect((await http(read, "POST", "/v1/reload")).status).toBe(405);
});

test("sockets that are not for this process are not taken", async () => {
  const directory = await tempDir();
  const own = join(directory, "own.sock");
  await startProgram(sessiondProgram, ["--sessions-dir", join(directory, "sessions"), "--socket", own], {
    env: { LISTEN_PID: "1", LISTEN_FDS: "1", WATCHDOG_PID: "1", WATCHDOG_USEC: "1000" },
    descriptors: [boundSocket(join(directory, "other.sock"))],
  });
  expect((await eventually(() => http(own, "GET", "/v1/info"))).status).toBe(200);
});

test("more than one socket for control is a mistake of the units: 78", async () => {
  const directory = await tempDir();
  const program = await startProgram(sessiondProgram, ["--sessions-dir", directory], {
    wrap: passing(2, "control:control"),
    descriptors: [boundSocket(join(directory, "a.sock")), boundSocket(join(directory, "b.sock"))],
  });
  expect(await program.exited).toEqual({ code: 78, signal: null });
  expect(program.stderr()).toContain("more than one control socket");
});

test("to the journal each line begins with its priority", async () => {
  const cwd = await tempDir();
  const toJournal = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$0" "$@"'];
  const program = await startProgram(sessiondProgram, [], { cwd, wrap: toJournal });
  await eventually(() => expect(program.stderr()).toMatch(/^<6>sessiond is starting \{"version":/));
  await eventually(() => expect(program.stderr()).toMatch(/^<6>sessiond is ready /m));
  const second = await startProgram(sessiondProgram, [], { cwd, wrap: toJournal });
  expect((await second.exited).code).toBe(1);
  expect(second.stderr()).toMatch(/^<2>cannot start: .* is in use by process \d+/m);
  const third = await startProgram(sessiondProgram, ["--log-level", "loud"], { cwd, wrap: toJournal });
  expect((await third.exited).code).toBe(78);
  expect(third.stderr()).toMatch(/^<3>--log-level: /);
});

test("a stream that is not the journal gets JSON", async () => {
  const cwd = await tempDir();
  const program = await startProgram(sessiondProgram, [], { cwd, env: { JOURNAL_STREAM: "1:1" } });
  await eventually(() => expect(program.stderr()).toMatch(/^\{"level":30/));
});
