/** `sessionctl results` before a daemon: what is selected, how it is written, and what is said. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { fakeDaemon, reply } from "../client/http/fake-daemon.ts";
import { tempDir } from "../support/temp-dir.ts";
import { type CommandLine, commandLine, outcome, sessionctlProgram, start } from "./command-line.ts";
import { startCommand } from "./in-process.ts";

/** Of a command that prints JSON, of one that fails, of a file that is to be processed again, of no file. */
const results = `{
  "src/a.js": {"exit_code": 0, "duration_ms": 12, "stdout": {"issues": 12345678901234567890.50}},
  "src/b.js": {"exit_code": 2, "duration_ms": 7, "stdout": "", "stderr": "no such option\\n"},
  "lib/c.js": {"exit_code": 1, "duration_ms": 9, "stdout": {"issues": 3}},
  "lib/d.js": {"exit_code": 1, "duration_ms": 5, "stdout": {"issues": 2}},
  "total": {"issues": 1E2}
}`;

async function withResults(): Promise<
  CommandLine & { of: (...args: string[]) => ReturnType<CommandLine["run"]> }
> {
  const cli = await commandLine();
  const file = join(await tempDir(), "session.json");
  const [processed, pending] = [
    ["src/a.js", "src/b.js", "lib/d.js"],
    ["lib/c.js", "e"],
  ];
  writeFileSync(
    file,
    `{"session_id": "nightly", "status": "paused", "checkpoint_time": "2026-01-01T00:00:00Z",
      "partial_results": ${results}, "config": {"target_path": "."},
      "processed_files": ${JSON.stringify(processed)}, "pending_files": ${JSON.stringify(pending)}}`,
  );
  expect(await cli.run("import", file)).toMatchObject({ code: 0 });
  return { ...cli, of: (...args) => cli.run("results", "nightly", ...args) };
}

const filesIn = (jsonLines: string) =>
  jsonLines
    .split("\n")
    .slice(0, -1)
    .map((line) => (JSON.parse(line) as { file: string }).file);

describe("results", () => {
  test("without options prints the results as they are, and with --json the reply of the API", async () => {
    const { of } = await withResults();
    const { stdout, stderr } = await of();
    expect(stdout).toContain('"issues": 12345678901234567890.50');
    expect(parseJson(stdout)).toEqual(parseJson(results));
    expect(stderr).toBe(
      "2 files failed:\n  src/b.js: exit status 2: no such option\n  lib/d.js: exit status 1\n",
    );
    expect(parseJson((await of("--json")).stdout)).toEqual({
      results: parseJson(results),
      next_cursor: null,
      total: 5,
    });
  });

  test("of failed files are those that the daemon lists", async () => {
    const { of, run } = await withResults();
    const failed = parseJson((await of("--failed")).stdout) as object;
    expect(Object.keys(failed)).toEqual(["src/b.js", "lib/d.js"]);
    expect((await run("files", "nightly", "--state", "failed")).stdout).toBe("src/b.js\nlib/d.js\n");
    for (const limit of ["5", "5000"])
      expect(parseJson((await of("--failed", "--limit", limit)).stdout)).toEqual(failed);
    expect(await of("--limit", "1")).toMatchObject({
      stderr: expect.stringMatching(/^1 of 5 results; .* --cursor /),
    });
    expect(parseJson((await of("--failed", "--json")).stdout)).toMatchObject({ total: 2 });
  });

  test("are selected by status and conditions", async () => {
    const { of } = await withResults();
    for (const [options, files] of [
      [
        ["--where", "issues > 2"],
        ["src/a.js", "lib/c.js", "total"],
      ],
      [["--where", "issues = 12345678901234567890.5"], ["src/a.js"]],
      [["--where", "issues > 2 and file ~ ^lib/"], ["lib/c.js"]],
      [
        ["--where", "issues > 2", "--where", "exit_code != 0"],
        ["lib/c.js", "total"],
      ],
      [["--where", "status = pending"], ["lib/c.js"]],
      [["--where", "status = other"], ["total"]],
      [["--where", "error ~ option"], ["src/b.js"]],
      [["--where", "issues = null", "--failed"], ["src/b.js"]],
      [
        ["--where", "exit_code >= 0", "--limit", "2"],
        ["src/a.js", "src/b.js"],
      ],
      [["--failed", "--limit", "1"], ["src/b.js"]],
    ] as const) {
      const { stdout } = await of(...options, "--format", "jsonl");
      expect([options, filesIn(stdout)]).toEqual([options, files]);
    }
  });

  test("that no condition meets are none, and a key that no result has is named", async () => {
    const { of } = await withResults();
    expect(await of("--where", "isues > 2")).toEqual({
      code: 0,
      stdout: "{}\n",
      stderr: "no result has the key isues\n",
    });
    expect(await of("--where", "stderr > 2", "--format", "table")).toEqual({
      code: 0,
      stdout: "",
      stderr: "no results\nstderr is never a number\n",
    });
    expect((await of("--where", "issues > 1e30", "--format", "table")).stderr).toBe("no results\n");
  });

  test("are a table of the usual and other columns", async () => {
    const { of } = await withResults();
    expect((await of("--format", "table", "--columns", "issues,/stdout/issues", "nothing")).stdout).toBe(
      [
        "STATUS     EXIT   TIME  FILE      issues                   /stdout/issues           ERROR",
        "succeeded     0  12 ms  src/a.js  12345678901234567890.50  12345678901234567890.50",
        "failed        2   7 ms  src/b.js                                                    exit status 2: no such option",
        "pending       1   9 ms  lib/c.js  3                        3                        exit status 1",
        "failed        1   5 ms  lib/d.js  2                        2                        exit status 1",
        "other                   total     1E2",
        "",
      ].join("\n"),
    );
  });

  test("are refused with options that make no sense", async () => {
    const { of } = await withResults();
    for (const [options, message] of [
      [["--where", "issues >"], "At character 9: a value is missing"],
      [["--where", "a ~ ("], "At character 5: "],
      [["--columns", "a..b"], "At character 2: a key between dots is empty"],
      [["--columns", "issues"], "--columns has no meaning for --format json"],
      [["--format", "csv", "--json"], "--json prints the reply of the API"],
      [["--format", "yaml"], "Allowed choices are"],
      [["--cursor", "x", "--format", "csv"], "--cursor goes with --format json"],
      [["--cursor", "x", "--where", "a = 1"], "--cursor goes with --format json"],
      [["--cursor", "x"], "cursor must be the next_cursor of an earlier page"],
    ] as const) {
      const { code, stdout, stderr } = await of(...options);
      expect({ options, code, stdout, stderr }).toEqual({
        options,
        code: 2,
        stdout: "",
        stderr: expect.stringContaining(message),
      });
    }
  });

  test("are written to a file, which appears whole or not at all", async () => {
    const { of, socketPath } = await withResults();
    const directory = await tempDir();
    const file = join(directory, "out.csv");
    const { stdout } = await of("--format", "csv");
    expect(await of("--format", "csv", "-o", file)).toEqual({
      code: 0,
      stdout: "",
      stderr: `wrote 5 results to ${file}\n`,
    });
    expect(readFileSync(file, "utf8")).toBe(stdout);
    expect(await of("--format", "csv", "-o", "-")).toMatchObject({ stdout });
    rmSync(file);
    // Its name says the format.
    await of("-o", file);
    expect(readFileSync(file, "utf8")).toBe(stdout);
    const args = ["--socket", socketPath, "results", "nightly", "--format", "csv", "-o", file];
    // A limit of nothing: no byte can be written.
    const line = `ulimit -f 0; "$@"`;
    expect(
      await outcome(start("sh", ["-c", line, "sh", process.execPath, sessionctlProgram, ...args])),
    ).toEqual({
      code: 1,
      stdout: "",
      stderr: `sessionctl: cannot write ${file}: file too large\n`,
    });
    expect(readFileSync(file, "utf8")).toBe(stdout);
    expect(readdirSync(directory)).toEqual(["out.csv"]);
  });

  test("that do not arrive whole are not printed at all", async () => {
    const { socketPath } = await fakeDaemon((_, response) => {
      response.write(`{"session_id": "a", "processed_files": ["x"], "partial_results": {"x": 1, "y": "`);
      setImmediate(() => response.destroy());
    });
    const file = join(await tempDir(), "out");
    for (const options of [[], ["--format", "csv"], ["--format", "html", "-o", file]]) {
      const { ended } = startCommand(["--socket", socketPath, "results", "a", ...options]);
      expect(await ended).toMatchObject({ code: 3, stdout: "" });
    }
    const cut = await fakeDaemon(
      reply(200, '{"session_id": "a", "processed_files": [], "partial_results": {'),
    );
    const { ended } = startCommand(["--socket", cut.socketPath, "results", "a", "--format", "csv"]);
    expect(await ended).toEqual({
      code: 1,
      stdout: "",
      stderr: "sessionctl: cannot read the session: Unexpected end of JSON input\n",
    });
    expect(existsSync(file)).toBe(false);
  });

  test("of a session that does not exist are an error, and an earlier file stays", async () => {
    const { run } = await withResults();
    const file = join(await tempDir(), "out");
    writeFileSync(file, "earlier");
    expect(await run("results", "nobody", "--format", "csv", "-o", file)).toMatchObject({
      code: 4,
      stdout: "",
    });
    expect(readFileSync(file, "utf8")).toBe("earlier");
  });
});
