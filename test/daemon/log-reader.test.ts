/** The daemon before a reader of its log that has stopped. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SessionClient } from "../../src/client/session-client.ts";
import { noPseudoTerminal, pseudoTerminal } from "../cli/pseudo-terminal.ts";
import { sessiondProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { http } from "../support/http.ts";
import { tempDir } from "../support/temp-dir.ts";

async function place() {
  const dir = await tempDir();
  const socket = join(dir, "s.sock");
  const client = new SessionClient({ socketPath: socket });
  onTestFinished(() => client.close());
  const args = ["--sessions-dir", join(dir, "sessions"), "--socket", socket, "--log-level", "debug"];
  return { client, socket, args };
}

/** Makes the daemon log until a line is dropped. */
async function fillLog(client: SessionClient, socket: string): Promise<void> {
  while ((await client.getInfo()).log_lines_dropped === 0) await logSome(socket);
}

/** Each request is logged with its path: some 300 kilobytes, however busy the machine is. */
async function logSome(socket: string): Promise<void> {
  const path = `/${"x".repeat(10_000)}`;
  for (let request = 0; request < 30; request++) expect((await http(socket, "GET", path)).status).toBe(404);
}

async function served(client: SessionClient): Promise<void> {
  const id = `s${Math.random()}`;
  await client.createSession({ session_id: id, config: { target_path: "/src" } });
  expect((await client.getSession(id)).status).toBe("running");
}

test.each(["a pipe", "a socket"])(
  "%s that nobody reads stops nothing; the reader learns what is missing",
  async (kind) => {
    const { client, socket, args } = await place();
    // Node.js makes its own pipes of sockets; a shell makes true ones.
    const program =
      kind === "a socket"
        ? spawn(process.execPath, [sessiondProgram, ...args], { stdio: ["ignore", "ignore", "pipe"] })
        : spawn(
            "sh",
            [
              "-c",
              'exec 3>&2; { exec "$@" 2>&1 >/dev/null 3>&-; } | { read -r go <&4; cat >&3; }',
              "sh",
              process.execPath,
              sessiondProgram,
              ...args,
            ],
            {
              stdio: ["ignore", "ignore", "pipe", "ignore", "pipe"],
            },
          );
    onTestFinished(() => void program.kill("SIGKILL"));
    const { pid } = await eventually(() => client.getInfo());
    onTestFinished(() => {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    });
    await fillLog(client, socket);
    await served(client);
    const { log_lines_dropped } = await client.getInfo();
    expect(log_lines_dropped).toBeGreaterThan(0);
    const { problems } = await client.getHealth();
    expect(problems).toMatchObject([
      { code: expect.stringMatching(/^log_(stuck|lines_dropped)$/) as string },
    ]);

    let log = "";
    program.stderr?.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
    (program.stdio[4] as NodeJS.WritableStream | undefined)?.write("go\n");
    const told = /"dropped_lines":(\d+),"msg":"\d+ lines of the log were dropped here/;
    await eventually(() => expect(told.test(log)).toBe(true));
    await client.reload();
    await eventually(() =>
      expect(log.split("dropped here")[1]?.includes("configuration reloaded")).toBe(true),
    );
    const dropped = Number(told.exec(log)?.[1]);
    expect((await client.getInfo()).log_lines_dropped).toBe(dropped);
  },
);

test("a pipe that nobody reads does not keep the daemon from stopping", async () => {
  const { client, socket, args } = await place();
  const program = spawn(process.execPath, [sessiondProgram, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  onTestFinished(() => void program.kill("SIGKILL"));
  await eventually(() => client.getInfo());
  await fillLog(client, socket);
  const exited = once(program, "exit");
  program.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

test.skipIf(noPseudoTerminal !== undefined)(
  "Ctrl-S in its terminal stops nothing, and Ctrl-Q continues the log",
  async () => {
    const { client, socket, args } = await place();
    const quoted = [process.execPath, sessiondProgram, ...args].map((arg) => `'${arg}'`).join(" ");
    const terminal = await pseudoTerminal(`exec ${quoted}`, { columns: 200 });
    const { pid } = await eventually(() => client.getInfo());
    await eventually(() => expect(terminal.written().includes("sessiond is ready")).toBe(true));
    terminal.type("\x13");
    // A terminal takes a few kilobytes before it makes a writer wait.
    await logSome(socket);
    await client.reload();
    await served(client);
    const isShown = () => terminal.written().includes("configuration reloaded");
    expect(isShown()).toBe(false);
    terminal.type("\x11");
    await eventually(() => expect(isShown()).toBe(true));
    process.kill(pid, "SIGTERM");
    expect(await terminal.exited).toBe(0);
  },
);
