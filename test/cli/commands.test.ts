/** The commands that create, list, show and change sessions, before a real daemon. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { tempDir } from "../support/temp-dir.ts";
import { commandLine, ok, withSessions } from "./command-line.ts";

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

  it("are filtered, sorted and paged by list", async () => {
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

  it("change status one by one, and a repeated change is no error", async () => {
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

  it("accept ids and files that begin with a dash after --", async () => {
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

  it("accept progress reports and checkpoints", async () => {
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
