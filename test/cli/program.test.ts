/** The program as the process that it is: exit codes, pipes, signals, terminals. */
import { existsSync } from "node:fs";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { build } from "rolldown";
import { afterAll, beforeAll, expect, it } from "vitest";
import { transform } from "../../rolldown.config.ts";
import { fakeDaemon } from "../client/http/fake-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { commandLine, outcome, start } from "./command-line.ts";

let directory = "";
const program = () => join(directory, "sessionctl.mjs");

// All in one file that other users may read too.
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sessionctl-test-"));
  await chmod(directory, 0o755);
  await build({
    cwd: resolve(import.meta.dirname, "../.."),
    input: "src/cli/sessionctl.ts",
    platform: "node",
    transform,
    output: { file: program(), format: "esm", codeSplitting: false },
    logLevel: "silent",
  });
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const isRoot = process.getuid?.() === 0;
const nobody = 65534;

function sessionctl(socketPath: string, args: readonly string[], options: { uid?: number } = {}) {
  return start(process.execPath, [program(), "--socket", socketPath, ...args], options);
}

it("talks to a daemon, and ends with its exit code", async () => {
  const { socketPath, run } = await commandLine();
  const created = sessionctl(socketPath, ["create", "src", "--files-from", "-", "--id", "a"]);
  created.stdin?.end("a.ts\nb.ts\n");
  expect(await outcome(created)).toEqual({ code: 0, stdout: "a\n", stderr: "" });
  expect(await run("files", "a")).toMatchObject({ stdout: "a.ts\nb.ts\n" });
  expect(await outcome(sessionctl(socketPath, ["show", "b"]))).toMatchObject({ code: 4, stdout: "" });
  expect((await run("--version")).stdout).toMatch(
    /^sessionctl \S+ \(protocol 1\)\nsessiond {3}\S+ \(protocol 1\)\n$/,
  );
});

it("exits with 3 when sessiond is not running, and says which socket it tried", async () => {
  const socketPath = join(await tempDir(), "none.sock");
  const { code, stdout, stderr } = await outcome(sessionctl(socketPath, ["list"]));
  expect([code, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/^sessionctl: sessiond is not running: .*none\.sock; start it with: sessiond .*\n$/);
});

it.runIf(isRoot)("exits with 5 when this user may not use the socket", async () => {
  const { socketPath } = await commandLine();
  const { code, stderr } = await outcome(sessionctl(socketPath, ["list"], { uid: nobody }));
  expect([code, stderr]).toEqual([5, expect.stringContaining("no permission")]);
  expect(stderr).toMatch(
    /its directory \S+ cannot be entered: .* group root, with mode 0700; run this as user/,
  );
  const doctor = await outcome(sessionctl(socketPath, ["doctor"], { uid: nobody }));
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining("cannot be entered")]);
});

it.runIf(isRoot)("says who owns a socket that this user may not use", async () => {
  const { socketPath } = await commandLine();
  await chmod(dirname(socketPath), 0o755);
  await chown(socketPath, 0, 54321);
  const denied = async (mode: number) => {
    await chmod(socketPath, mode);
    return (await outcome(sessionctl(socketPath, ["list"], { uid: nobody }))).stderr;
  };
  expect(await denied(0o660)).toMatch(
    /: it belongs to user root and group 54321, with mode 0660; join that group \(sudo usermod -aG 54321 /,
  );
  expect(await denied(0o600)).toMatch(/with mode 0600; run this as user root, or set socket\.group/);
});

it("exits with 124 when the reply takes too long", async () => {
  const { socketPath } = await fakeDaemon(() => {});
  const { code, stderr } = await outcome(sessionctl(socketPath, ["--timeout", "100ms", "list"]));
  expect([code, stderr]).toEqual([124, expect.stringContaining("within 100 ms")]);
});

it("exits with 130 when it is interrupted", async () => {
  let asked = false;
  const { socketPath } = await fakeDaemon(() => {
    asked = true;
  });
  const child = sessionctl(socketPath, ["list"]);
  await eventually(() => expect(asked).toBe(true));
  child.kill("SIGINT");
  expect(await outcome(child)).toEqual({ code: 130, stdout: "", stderr: "" });
});

it("ends quietly when its reader closes the pipe", async () => {
  const { socketPath, feed } = await commandLine();
  const files = Array.from({ length: 50_000 }, (_, index) => `src/file-${index}.ts`).join("\n");
  await feed(files, "create", "src", "--id", "big", "--files-from", "-");
  const command = `"$0" "$1" --socket "$2" files big | head -1; echo "\${PIPESTATUS[0]}"`;
  const child = start("bash", ["--norc", "-c", command, process.execPath, program(), socketPath]);
  expect(await outcome(child)).toEqual({ code: 0, stdout: "src/file-0.ts\n0\n", stderr: "" });
});

it.runIf(existsSync("/usr/bin/script"))("asks at a terminal before it deletes", async () => {
  const { socketPath, run } = await commandLine();
  await run("create", "src", "--id", "a");
  const answer = async (keys: string) => {
    const command = `'${process.execPath}' '${program()}' --socket '${socketPath}' delete a`;
    const child = start("/usr/bin/script", ["-qec", command, "/dev/null"]);
    const done = outcome(child);
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.includes("[y/N]")) child.stdin?.write(keys);
    });
    return done;
  };
  expect(await answer("n\n")).toMatchObject({ code: 1, stdout: expect.stringContaining("nothing was done") });
  expect(await answer("\x03")).toMatchObject({ code: 130 });
  expect(await run("list", "-q")).toMatchObject({ stdout: "a\n" });
  expect(await answer("y\n")).toMatchObject({ code: 0 });
  expect(await run("list", "-q")).toMatchObject({ stdout: "" });
});
