/** The commands that back up, export, check and repair sessions, before a real daemon. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";
import { commandLine, ok, withSessions } from "./command-line.ts";

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

  it("prints commands that a shell reads correctly, whatever the id", async () => {
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

  it("says how to repair by hand a file that recover cannot reach", async () => {
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

  it("exports and imports without loss", async () => {
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
