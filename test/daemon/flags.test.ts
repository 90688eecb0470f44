import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { usage } from "../../src/daemon/arguments.ts";
import { type Exit, type ProgramOptions, sessiondProgram, startProgram } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

interface Outcome extends Exit {
  stdout: string;
  stderr: string;
}

async function run(args: readonly string[], options: ProgramOptions = {}): Promise<Outcome> {
  const program = await startProgram(sessiondProgram, args, options);
  return { ...(await program.exited), stdout: program.stdout(), stderr: program.stderr() };
}

async function configFile(text: string): Promise<string> {
  const file = join(await tempDir(), "sessiond.yaml");
  await writeFile(file, text);
  return file;
}

test("--version and --help go to standard output", async () => {
  expect(await run(["--help"])).toMatchObject({ code: 0, stdout: usage, stderr: "" });
  expect(await run(["--version"])).toMatchObject({
    code: 0,
    stdout: `sessiond ${manifest.version}\n`,
    stderr: "",
  });
});

test("wrong usage ends with 64 and says where help is", async () => {
  const outcome = await run(["--nonsense"]);
  expect(outcome).toMatchObject({ code: 64, stdout: "" });
  expect(outcome.stderr).toMatch(/^sessiond: .+\nTry: sessiond --help\n$/);
});

describe("--check-config", () => {
  test("says which good file it read, and starts nothing", async () => {
    const file = await configFile("storage: { rescan_interval: 30s }\n");
    const outcome = await run(["--check-config", "--config", file]);
    expect(outcome).toMatchObject({ code: 0, stderr: "" });
    expect(outcome.stdout).toContain(file);
  });

  test("tells everything that is wrong with file, line and column: 78", async () => {
    const file = await configFile("log:\n  level: loud\ncleanup:\n  expired:\n    max_age: 7m\n");
    const outcome = await run(["--check-config"], { env: { SESSIOND_CONFIG: file } });
    expect(outcome).toMatchObject({ code: 78, stdout: "" });
    expect(outcome.stderr.trimEnd().split("\n")).toEqual([
      expect.stringMatching(`^${file}:2:10: log\\.level: `),
      expect.stringMatching(`^${file}:5:14: cleanup\\.expired\\.max_age: .*7min`),
    ]);
  });
});

test("--check-config of a database that cannot be reached ends with 1, and tells no password", async () => {
  const file = await configFile("storage: { postgres: 'postgres://u:secret@127.0.0.1:1/x' }\n");
  const outcome = await run(["--check-config", "--config", file, "--socket", `${file}.sock`]);
  expect(outcome).toMatchObject({ code: 1, stdout: "" });
  expect(outcome.stderr).toContain(`${file}: the database is away`);
  expect(outcome.stderr).not.toContain("secret");
});

test("a daemon whose flags are wrong ends with 78 and says which", async () => {
  const outcome = await run(["--log-level", "loud", "--sessions-dir", ""]);
  expect(outcome).toMatchObject({ code: 78, stdout: "" });
  expect(outcome.stderr).toMatch(/^--log-level: /m);
  expect(outcome.stderr).toMatch(/^--sessions-dir: /m);
});

test.each([
  ["--sessions-dir", "/proc/sessions", 1, "cannot make the sessions directory /proc/sessions: ENOENT"],
  ["--socket", "/proc/run/sessiond.sock", 78, "ENOENT"],
])("a place where nothing can be made ends it and is named: %s %s", async (flag, place, code, why) => {
  const base = await tempDir();
  const args = ["--sessions-dir", join(base, "sessions"), "--socket", join(base, "s.sock"), flag, place];
  const outcome = await run(args);
  expect(outcome).toMatchObject({ code, stdout: "" });
  expect(outcome.stderr).toContain(why);
});

test("a working directory that is gone is said, with 1", async () => {
  const directory = await tempDir();
  const [command, ...wrap] = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', directory] as [
    string,
    ...string[],
  ];
  const outcome = await run(["--check-config"], { wrap: [command, ...wrap] });
  expect(outcome).toEqual({
    code: 1,
    signal: null,
    stdout: "",
    stderr:
      "sessiond: the working directory has been deleted, or its name is not UTF-8; change to another one\n",
  });
});

test("a daemon that cannot have its directory ends with 1 and says why", async () => {
  const file = join(await tempDir(), "a-file");
  await writeFile(file, "");
  const outcome = await run(["--sessions-dir", file, "--socket", `${file}.sock`]);
  expect(outcome).toMatchObject({ code: 1, stdout: "" });
  expect(outcome.stderr).toContain(file);
});
