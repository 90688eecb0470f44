/** What signals do to the daemon as a process, with a terminal and without. */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { noPseudoTerminal, pseudoTerminal } from "../cli/pseudo-terminal.ts";
import { sessiondProgram, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

test.each(["SIGTERM", "SIGINT", "SIGQUIT"] as const)("%s stops it gracefully, with 0", async (signal) => {
  const daemon = await startDaemon();
  await daemon.client.createSession({ session_id: "s", config: { target_path: "/src" } });
  daemon.kill(signal);
  expect(await daemon.exited).toEqual({ code: 0, signal: null });
  expect(daemon.stderr()).toContain(`${signal}: stopping`);
  expect(daemon.stderr()).toContain("sessiond has stopped");
});

test.each(["SIGUSR1", "SIGUSR2"] as const)("%s is ignored, and said in the log", async (signal) => {
  const daemon = await startDaemon();
  daemon.kill(signal);
  await eventually(() => expect(daemon.stderr()).toContain(`${signal} means nothing to sessiond`));
  expect(await daemon.client.getStats()).toMatchObject({ total: 0 });
  expect(daemon.stderr()).not.toContain("Debugger");
  await expect(connected(9229)).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test.skipIf(noPseudoTerminal !== undefined)("a terminal that hangs up stops it gracefully", async () => {
  const { directory, client, command } = await inTerminal();
  const terminal = await pseudoTerminal(`${command} & echo "pid=$!" && wait $!`);
  await eventually(() => client.getInfo());
  await client.createSession({ session_id: "kept", config: { target_path: "/src" }, pending_files: ["a"] });
  await client.reportProgress("kept", { processed: ["a"] });
  const pid = Number(/pid=(\d+)/.exec(terminal.written())?.[1]);
  // As the kernel and the shell do it, one after the other.
  process.kill(pid, "SIGHUP");
  process.kill(pid, "SIGHUP");
  await eventually(() => expect(existsSync(`/proc/${pid}`)).toBe(false));
  await terminal.exited;
  expect(terminal.written()).toContain("SIGHUP: stopping");
  expect(terminal.written()).toContain("sessiond has stopped");
  const kept = JSON.parse(readFileSync(join(directory, "sessions/kept.json"), "utf8"));
  expect(kept.processed_files).toEqual(["a"]);
});

test.skipIf(noPseudoTerminal !== undefined)("it ends with the terminal that it was started in", async () => {
  const { client, directory, command } = await inTerminal();
  const terminal = await pseudoTerminal(`exec ${command}`);
  const { pid } = await eventually(() => client.getInfo());
  terminal.hangUp();
  await eventually(() => expect(existsSync(`/proc/${pid}`)).toBe(false));
  expect(existsSync(join(directory, "s.sock"))).toBe(false);
});

test.skipIf(noPseudoTerminal !== undefined)("a terminal that is gone makes no crash at the end", async () => {
  const { client, directory, command } = await inTerminal();
  const status = join(directory, "status");
  const terminal = await pseudoTerminal(`trap "" HUP; ${command}; echo "$?" >${status}`);
  const { pid } = await eventually(() => client.getInfo());
  terminal.hangUp();
  process.kill(pid, "SIGHUP");
  await eventually(() => expect(readFileSync(status, "utf8")).toBe(`${128 + constants.signals.SIGHUP}\n`));
});

test.skipIf(noPseudoTerminal !== undefined)("with nothing of the terminal, SIGHUP reloads", async () => {
  const { client, directory, command } = await inTerminal();
  const log = `${directory}/log`;
  const terminal = await pseudoTerminal(
    `${command} </dev/null >/dev/null 2>${log} & echo "pid=$!" && wait $!; cat ${log}`,
  );
  await eventually(() => client.getInfo());
  const pid = Number(/pid=(\d+)/.exec(terminal.written())?.[1]);
  process.kill(pid, "SIGHUP");
  await client.reload();
  process.kill(pid, "SIGTERM");
  await terminal.exited;
  expect(terminal.written()).toContain("SIGTERM: stopping");
  expect(terminal.written()).not.toContain("SIGHUP: stopping");
});

async function inTerminal() {
  const directory = await tempDir();
  const client = new SessionClient({ socketPath: join(directory, "s.sock") });
  onTestFinished(() => client.close());
  const command = `${process.execPath} ${sessiondProgram} --sessions-dir ${directory}/sessions --socket ${directory}/s.sock`;
  return { directory, client, command };
}

async function connected(port: number): Promise<void> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
}
