/** Every command against a real daemon. */
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { fakeDaemon, reply } from "../client/http/fake-daemon.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { type CommandLine, commandLine } from "./command-line.ts";

const ok = (stdout: unknown = "", stderr: unknown = expect.any(String)) => ({ code: 0, stdout, stderr });

async function withSessions(...ids: string[]): Promise<CommandLine> {
  const cli = await commandLine();
  for (const id of ids) await cli.feed("a\nb\nc\n", "create", "src", "--id", id, "--files-from", "-");
  return cli;
}

describe("sessions", () => {
  it("are created from arguments, files and JSON", async () => {
    const { run, feed } = await commandLine();
    const file = join(await tempDir(), "config.json");
    await writeFile(file, '{"analysis_depth": "deep", "seed": 12345678901234567890}');
    const created = await feed(
      "x y\0-z\0",
      ...["create", "src", "--id", "a", "--files-from", "-", "-0", "--config", `@${file}`],
      ...["-l", "team=core", "-l", "eq=a=b", "--pinned"],
    );
    expect(created).toEqual(ok("a\n", ""));
    const shown = parseJson((await run("show", "a", "--json")).stdout);
    expect(shown).toMatchObject({
      config: { target_path: resolve("src"), analysis_depth: "deep", seed: 12345678901234567890n },
      pending_files: ["x y", "-z"],
      labels: { team: "core", eq: "a=b" },
      pinned: true,
    });
    expect((await run("create", "src", "--id", "a")).code).toBe(1);
    expect((await run("create", "src", "--id", "")).code).toBe(2);
    expect((await run("create", " ")).code).toBe(2);
    expect((await run("create", "src", "-q")).stdout).toMatch(/^[0-9a-f-]{36}\n$/);
    await run("create", "https://host/repo", "--id", "url");
    expect((await run("show", "url")).stdout).toContain("Target         https://host/repo\n");
  });

  it("are listed by what is asked for", async () => {
    const { run } = await withSessions("a", "b", "c");
    await run("pause", "b");
    await run("label", "c", "team=core");
    expect(await run("list", "-q")).toEqual(ok("b\nc\na\n", ""));
    expect(await run("list", "-q", "--status", "paused", "failed")).toEqual(ok("b\n"));
    expect(await run("list", "-q", "--label", "team=core")).toEqual(ok("c\n"));
    expect(await run("list", "-q", "--sort", "session_id", "--limit", "2")).toEqual(
      ok("a\nb\n", expect.not.stringContaining("cursor")),
    );
    const page = await run("list", "--limit", "2");
    expect(page.stderr).toMatch(/^2 of 3 sessions; for more, add --cursor /);
    const cursor = page.stderr.trim().split(" ").at(-1) as string;
    expect(await run("list", "-q", "--limit", "2", "--cursor", cursor)).toEqual(ok("a\n"));
    expect((await run("list")).stdout.split("\n")[0]).toBe("ID  STATUS   FILES  ACTIVITY  LABELS     TARGET");
    expect(JSON.parse((await run("list", "--json", "--older-than", "1d")).stdout)).toEqual({
      sessions: [],
      next_cursor: null,
      total: 0,
    });
    expect((await run("list", "--older-than", "7m")).code).toBe(2);
  });

  it("are shown safely, whatever they contain", async () => {
    const { run } = await commandLine();
    await run("create", "evil\x1b]0;title\x07", "--id", "a\u202eb", "-l", "k\n=v\x9b2J");
    await run("pause", "a\u202eb", "--reason", "one\rtwo");
    for (const command of [
      ["list"],
      ["show", "a\u202eb"],
      ["show", "a\u202eb", "--json"],
      ["label", "a\u202eb"],
    ]) {
      const { code, stdout, stderr } = await run(...command);
      expect(code).toBe(0);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(stdout + stderr).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    }
    expect((await run("show", "a\u202eb")).stdout).toContain("paused: one\\rtwo");
  });

  it("change status, each by itself, and stay what they are already", async () => {
    const { run } = await withSessions("a", "b");
    expect(await run("pause", "a", "nope", "b", "--reason", "lunch")).toEqual({
      code: 4,
      stdout: "",
      stderr: expect.stringMatching(
        /^a is paused\nsessionctl: nope: .*; to see all sessions: .*\nb is paused\n$/,
      ),
    });
    expect(await run("pause", "a")).toEqual(ok("", "a is already paused\n"));
    expect(await run("pause", "a", "--reason", "again")).toEqual(
      ok("", "a is already paused; its reason was not changed\n"),
    );
    expect(await run("reopen", "a")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("sessionctl resume a"),
    });
    expect(await run("resume", "a", "-q")).toEqual(ok("a\n", ""));
    expect(await run("resume", "a")).toEqual(ok("", "a is already running\n"));
    await run("progress", "b", "a");
    expect(await run("resume", "b")).toEqual(ok("", "b is running, 1 of 3 files done\n"));
    expect(JSON.parse((await run("resume", "a", "--json")).stdout)).toHaveProperty("pending_files");
    expect(await run("complete", "a")).toEqual(ok("", "a is completed\n"));
    expect(await run("complete", "a")).toEqual(ok("", "a is already completed\n"));
    expect(await run("pause", "a")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("sessionctl reopen a"),
    });
    expect(await run("reopen", "a")).toEqual(ok("", "a is running\n"));
    expect(await run("fail", "a", "b", "--json")).toMatchObject({ code: 0 });
    expect((await run("show", "b")).stdout).toContain("Status         failed\n");
  });

  it("take ids and files that begin with a dash after --", async () => {
    const { run } = await commandLine();
    await run("create", "src", "--id=-a");
    expect(await run("progress", "a b", "--added", "-f")).toMatchObject({ code: 4 });
    expect(await run("progress", "--added", "-f", "--", "-a")).toEqual(
      ok("", "-a: 0 processed, 1 pending\n"),
    );
    expect(await run("progress", "--", "-a", "-f")).toEqual(ok("", "-a: 1 processed, 0 pending\n"));
    expect(await run("pause", "--", "-a")).toMatchObject({ code: 0 });
    expect(await run("pause", "-a")).toMatchObject({ code: 2 });
  });

  it("take reports of progress and checkpoints", async () => {
    const { run, feed } = await withSessions("a");
    const results = '{"a": 1.000000000000000000001}';
    expect(await run("progress", "a", "--processed", "a", "b", "--results", results, "--added", "d")).toEqual(
      ok("", "a: 2 processed, 2 pending\n"),
    );
    expect(await run("files", "a")).toEqual(ok("c\nd\n", ""));
    expect(await run("files", "a", "--state", "processed", "-0")).toEqual(ok("a\0b\0", ""));
    expect(await run("files", "a", "--limit", "1")).toEqual(ok("c\n", expect.stringContaining("1 of 2")));
    expect((await run("results", "a")).stdout).toContain("1.000000000000000000001");
    expect(await feed('{"b": 2}', "checkpoint", "a", "--results", "-")).toMatchObject({ code: 0 });
    expect(await feed("z\n", "checkpoint", "a", "--pending-from", "-")).toEqual(
      ok("", "a: 2 processed, 1 pending\n"),
    );
    expect(JSON.parse((await run("results", "a", "--json")).stdout)).toMatchObject({
      results: { a: 1, b: 2 },
      total: 2,
    });
    expect(await run("progress", "a", "z", "new")).toEqual(
      ok("", "a: 4 processed, 0 pending; 1 of the reported files was not pending\n"),
    );
    expect(await run("progress", "a", "z", "new")).toEqual(ok("", "a: 4 processed, 0 pending\n"));
    await run("pause", "a");
    expect(await run("progress", "a", "--added", "y")).toEqual(
      ok("", "a is paused: 4 processed, 1 pending\n"),
    );
    expect(await run("progress", "a", "y", "--json")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"status": "paused"'),
      stderr: "",
    });
    expect((await run("progress", "a")).code).toBe(2);
    expect((await run("checkpoint", "a")).code).toBe(2);
    expect((await run("progress", "a", "--results", "[]")).code).toBe(2);
  });

  it("are labeled and pinned", async () => {
    const { run } = await withSessions("a", "b");
    expect(await run("label", "a", "x=1", "y=")).toEqual(ok("x=1\ny=\n", ""));
    expect(await run("label", "a", "z=3", "--remove", "x")).toEqual(ok("y=\nz=3\n", ""));
    expect(await run("label", "a", "x")).toMatchObject({ code: 2 });
    expect(await run("label", "a", "x=1", "--remove", "x")).toMatchObject({ code: 2 });
    expect(await run("pin", "a", "b")).toEqual(ok("", "a is pinned\nb is pinned\n"));
    expect((await run("unpin", "b")).code).toBe(0);
    expect(await run("list", "--pinned", "-q")).toEqual(ok("a\n"));
    expect(await run("list", "--no-pinned", "-q")).toEqual(ok("b\n"));
  });
});

describe("removing", () => {
  it("wants a yes where nobody can be asked, and can be undone", async () => {
    const { run } = await withSessions("a", "b");
    const refused = await run("delete", "a");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(await run("list", "-q")).toEqual(ok("b\na\n"));
    expect(await run("delete", "a", "nope", "--yes")).toMatchObject({ code: 4 });
    expect(await run("show", "a")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("trash restore a"),
    });
    expect(await run("trash", "ls", "-q")).toEqual(ok("a\n", ""));
    expect((await run("trash", "ls")).stdout).toMatch(/^ID {2}STATUS .*\na {3}running .*deleted/);
    expect(await run("trash", "restore", "a")).toMatchObject({ code: 0 });
    expect(await run("trash", "restore", "a")).toMatchObject({ code: 4 });
    expect(await run("delete", "b", "--purge", "--yes")).toMatchObject({ code: 0 });
    expect(await run("trash", "empty")).toMatchObject({ code: 2 });
    await run("delete", "a", "--yes");
    await run("create", "src", "--id", "a");
    const taken = (await run("trash", "restore", "a")).stderr;
    const trashId = /purge.*on top.*sessionctl trash restore --trash-id (\S+) a\n$/.exec(
      taken,
    )?.[1] as string;
    await run("delete", "a", "--yes");
    expect(await run("trash", "restore", trashId)).toEqual(ok("", "a restored, running\n"));
    expect((await run("files", "a")).stdout).toBe("a\nb\nc\n");
    expect(JSON.parse((await run("trash", "empty", "--yes", "--json")).stdout)).toMatchObject({ removed: 1 });
  });

  it("by policy shows its plan, and does just that", async () => {
    const { run } = await withSessions("a", "b", "c");
    await run("complete", "a", "b");
    expect(await run("cleanup", "completed")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--yes"),
    });
    const planned = await run("cleanup", "completed", "--keep-recent", "1", "--dry-run");
    expect(planned.stdout).toMatch(/^WOULD REMOVE .*\na .*beyond_most_recent\n$/);
    expect(planned.stderr).toContain("kept: 1 among_most_recent, 1 other_status\n");
    const whole = await run("cleanup", "completed", "--keep-recent", "1", "--dry-run", "--all");
    expect(whole.stdout).toMatch(/^ID {2}ACTION/);
    expect(whole.stdout).toMatch(/^b {3}kept .* among_most_recent$/m);
    expect(whole.stdout).toMatch(/^a {3}would remove .* beyond_most_recent$/m);
    expect(await run("cleanup", "completed", "--approve", "")).toMatchObject({ code: 2 });
    expect(await run("list", "-q", "--status", "completed")).toEqual(ok("b\na\n"));
    const plan = /--approve (\w+)/.exec(planned.stderr)?.[1] as string;
    await run("pin", "b");
    const approved = await run("cleanup", "completed", "--keep-recent", "1", "--approve", plan);
    expect(approved).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be approved") });
    await run("unpin", "b");
    expect(await run("cleanup", "completed", "--keep-recent", "0", "--yes", "-q")).toEqual(ok("b\na\n"));
    expect(await run("cleanup", "expired", "--max-age", "1d", "--yes", "--json")).toMatchObject({ code: 0 });
    expect(await run("cleanup", "failed", "--keep-recent", "1")).toMatchObject({ code: 2 });
    expect((await run("cleanup", "history", "-q")).stdout.split("\n").sort()).toEqual(["", "a", "b"]);
    expect((await run("cleanup", "status")).stdout).toMatch(/completed .* removed 2/);
  });

  it("tells once of a plan that waits, with the command that carries it out", async () => {
    const waiting = {
      ...{ plan_id: "abc", since: "2026-01-02T03:04:05Z", remove: 17, total: 20 },
      why: "it would remove 17 of 20 sessions; max_delete_ratio is 0.5",
    };
    const job = { job: "completed", enabled: true, rule: "", schedule: "", timezone: "UTC", waiting };
    const jobs = [{ ...job, next_run: null, last_run: null }];
    const { socketPath } = await fakeDaemon(reply(200, { jobs }));
    const { run } = await commandLine();
    const { stderr } = await run("cleanup", "status", "--socket", socketPath);
    expect(stderr.match(/17 of 20/g)).toHaveLength(1);
    expect(stderr).toContain("sessionctl cleanup completed --approve abc --yes");
  });
});

describe("keeping safe", () => {
  it("backs up, restores, validates and recovers", async () => {
    const { run, directory } = await withSessions("a");
    const path = (await run("backup", "a")).stdout.trim();
    expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({
      session_id: "a",
      pending_files: ["a", "b", "c"],
    });
    await run("progress", "a", "a", "b", "c");
    expect((await run("backup", "a", "--list")).stdout).toContain(path);
    expect(await run("restore", "a")).toMatchObject({ code: 2 });
    expect(await run("restore", "a", "--yes")).toMatchObject({ code: 0 });
    expect(await run("files", "a")).toEqual(ok("a\nb\nc\n"));
    expect(await run("validate", "a")).toEqual(ok("a: ok\n", ""));
    await run("checkpoint", "a", "--results", "{}");
    await writeFile(join(directory, "broken.json"), "{");
    expect(await run("validate", "broken")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("recover broken"),
    });
    expect(await run("show", "broken")).toMatchObject({ code: 1 });
    expect(await run("doctor")).toMatchObject({ code: 1, stdout: expect.stringContaining("broken") });
    expect((await run("status")).stdout).toMatch(/^problem .*broken[\s\S]*\nHealth +degraded\n/);
    expect(await run("recover", "broken", "a")).toMatchObject({ code: 1 });
    expect(await run("doctor")).toEqual(ok("", expect.stringContaining("no problems found")));
  });

  it("prints remedies that a shell reads as they are meant", async () => {
    const { run, directory } = await commandLine();
    await writeFile(join(directory, "it's (copy).json"), "{");
    await writeFile(join(directory, "-x.json"), "{");
    // Only what stays unreadable for a moment is reported.
    await eventually(async () =>
      expect(await run("list")).toEqual(
        ok("", "no sessions\n2 files cannot be read; for details: sessionctl doctor\n"),
      ),
    );
    expect(await run("list", "-q")).toEqual(ok("", ""));
    expect((await run("list", "--json")).stderr).toBe("");
    const { stdout } = await run("doctor");
    expect(stdout).toContain("sessionctl recover 'it'\\''s (copy)'\n");
    expect(stdout).toContain("sessionctl recover -- -x\n");
    await run("recover", "it's (copy)");
    await run("recover", "--", "-x");
    expect(await run("doctor")).toMatchObject({ code: 0 });
    expect((await run("list")).stderr).toBe("no sessions\n");
  });

  it("sends nobody round in circles about a file that recover cannot reach", async () => {
    const { run, directory } = await commandLine();
    await run("create", "src", "--id", "a b");
    await writeFile(join(directory, "a b.json"), "{");
    const [problem] = await eventually(async () => {
      const { problems } = JSON.parse((await run("doctor", "--json")).stdout);
      expect(problems).toHaveLength(1);
      return problems;
    });
    expect(problem).toMatchObject({
      session_id: null,
      message: expect.stringContaining("a b.json: "),
      hint: expect.stringMatching(/by hand, with mv: .*"a b"/),
    });
  });

  it("exports and imports exactly", async () => {
    const { run, feed } = await withSessions("a", "b");
    await run("progress", "a", "a", "--results", '{"n": 1.10000000000000000000001, "__proto__": [-0.0]}');
    const file = join(await tempDir(), "a.json");
    expect(await run("export", "a", "-o", file)).toEqual(ok("", `wrote 1 session to ${file}\n`));
    const exported = (await run("export", "a")).stdout;
    expect(await readFile(file, "utf8")).toBe(exported);
    expect(await run("import", file)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("--on-conflict"),
    });
    expect(await run("import", file, "--on-conflict", "skip")).toEqual(ok("", "a already exists; skipped\n"));
    await run("delete", "a", "--purge", "--yes");
    expect(await feed(exported, "import", "-", "-q")).toEqual(ok("a\n", ""));
    // It was created anew.
    const others = (text: string) => text.replace(/"revision": \d+|"generation": "\w+"/g, "");
    expect(others((await run("export", "a")).stdout)).toBe(others(exported));
    expect(await run("import", file, "--as", "copy")).toEqual(ok("", "imported copy, running\n"));

    const both = (await run("export", "a", "b")).stdout;
    expect(await feed(both, "import", "-", "--on-conflict", "replace", "-q")).toEqual(ok("a\nb\n", ""));
    expect(await feed(both, "import", "-", "--as", "x")).toMatchObject({ code: 2 });
    expect(await feed("nonsense", "import", "-")).toMatchObject({ code: 2 });
    expect(await feed("[]", "import", "-")).toEqual(ok("", "nothing to import\n"));
    const bad = await feed('{"session_id": "bad", "status": "done", "config": 3}', "import", "-");
    expect(bad).toMatchObject({ code: 2, stdout: "" });
    expect(bad.stderr).toMatch(
      /^sessionctl: the body is not valid: status: must be one of running, paused, completed, failed \(and 5 more\)\nsessionctl: {3}config: must be an object, not 3\n/,
    );
    expect(bad.stderr).not.toContain("sessionctl help");
    expect(bad.stderr.match(/must be one of running/g)).toHaveLength(1);
    expect(await run("export", "a", "nope")).toMatchObject({ code: 4, stdout: expect.stringMatching(/^\[/) });
    expect(await run("export", "nope")).toMatchObject({ code: 4, stdout: "" });
    expect(await run("export", "a", "-o", "/nonexistent/x")).toMatchObject({ code: 1 });
  });
});

describe("the daemon", () => {
  it("is reported on", async () => {
    const { run, socketPath } = await withSessions("a");
    const { stdout } = await run("status");
    expect(stdout).toMatch(/^Health +ok\n/);
    expect(stdout).toMatch(new RegExp(`^Socket +${socketPath}$`, "m"));
    expect(stdout).toContain("1: 1 running, 0 paused");
    expect(Object.keys(JSON.parse((await run("status", "--json")).stdout))).toEqual([
      "health",
      "info",
      "stats",
    ]);
  });

  it("reads its configuration again, or refuses it", async () => {
    const file = join(await tempDir(), "sessiond.yaml");
    await writeFile(file, "log: { level: info }\n");
    const { run } = await commandLine(file);
    expect(await run("reload")).toEqual(ok("", "nothing has changed\n"));
    await writeFile(file, "log: { level: warn }\nlimits: { depth: 32 }\n");
    const { stdout } = await run("reload");
    expect(stdout).toMatch(/^applied {8}log/m);
    expect(stdout).toMatch(/^needs restart {2}limits/m);
    await writeFile(file, "log: { level: loud }\nwhat: 1\n");
    const refused = await run("reload");
    expect(refused).toMatchObject({ code: 78, stdout: "" });
    expect(refused.stderr).toContain(`${file}:1:`);
    expect(refused.stderr).toContain(`${file}:2:`);
  });

  it("says once how large a request may be, and what to do with a larger one", async () => {
    const file = join(await tempDir(), "sessiond.yaml");
    await writeFile(file, "limits: { body: 1KiB }\n");
    const { feed } = await commandLine(file);
    const { code, stderr } = await feed("x\n".repeat(2000), "create", "src", "--files-from", "-");
    expect(code).toBe(1);
    expect(stderr).toContain("sessionctl progress --added-from");
    expect(stderr.match(/limits\.body/g)).toHaveLength(1);
  });

  it("is told from a program that is not there, by doctor too", async () => {
    const { run } = await commandLine();
    const nowhere = join(await tempDir(), "x", "s.sock");
    expect(await run("doctor", "--socket", nowhere)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/is not running[\s\S]*start it[\s\S]*does not exist/),
    });
    const { stdout, code } = await run("doctor", "--socket", nowhere, "--json");
    expect([code, JSON.parse(stdout).status]).toEqual([1, "failed"]);
    expect(await run("list", "--socket", nowhere)).toMatchObject({ code: 3 });
    expect(await run("--version", "--socket", nowhere)).toMatchObject({ code: 0 });
    expect(await run("delete", "a", "b", "--yes", "--socket", nowhere)).toMatchObject({ code: 3 });
  });
});

describe("usage", () => {
  it.each([
    [["pasue"], "Did you mean pause"],
    [["pause"], "missing required argument"],
    [["list", "--nope"], "unknown option"],
    [["list", "extra"], "too many arguments"],
    [["list", "--timeout", "5m"], "ambiguous"],
    [["cleanup"], "Usage: sessionctl cleanup"],
    [["create", "x", "--id", " "], "cannot be blank"],
    [["create", "x", "--id", "a\ufffd"], "not UTF-8"],
    [["create", "x", "-l", "k=1", "-l", "k=2"], "given twice"],
    [["create", "x", "--config", '{"target_path": "y"}'], "target_path in --config differs"],
    [["progress", "a", ""], "cannot be empty"],
    [["progress", "a", "--added", ""], "cannot be empty"],
    [["help", "nope"], "unknown command"],
    [[], "Usage: sessionctl"],
  ])("is refused with 2: %j", async (args, said) => {
    const { run } = await commandLine();
    expect(await run(...args)).toEqual({ code: 2, stdout: "", stderr: expect.stringContaining(said) });
  });

  it("is explained where commands are below others", async () => {
    const { run } = await commandLine();
    const { stdout } = await run("trash", "restore", "--help");
    expect(stdout).toMatch(/^Usage: sessionctl trash restore/);
    expect(await run("help", "trash", "restore")).toEqual(ok(stdout, ""));
    expect((await run("help")).stdout).toMatch(/^Usage: sessionctl \[/);
  });

  it("is explained for every command, with an example", async () => {
    const { run } = await commandLine();
    const help = (await run("--help")).stdout;
    const names = [...help.matchAll(/^ {2}([a-z]+)(?:\|\w+)?(?: .*)? {2,}\w/gm)].map(
      (match) => match[1] as string,
    );
    const commands = new Set(names.filter((name) => name !== "help"));
    expect(commands.size).toBe(32);
    for (const command of commands) {
      const { code, stdout } = await run(command, "--help");
      expect([command, code]).toEqual([command, 0]);
      expect(stdout).toContain(`Example:\n  `);
    }
  });
});
