/** Which files `sessionctl run` runs, how often, and what becomes of the session. */
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempDir } from "../support/temp-dir.ts";
import { names, resultOf, scene, sh } from "./running-run.ts";

test("runs a command for each file, records what came of it, and completes the session", async () => {
  const { run, session } = await scene(["src/b.js", "src/a.js", "src/.hidden.js", "other.txt"]);
  const { code, stdout, stderr } = await run(
    ...["a", "--files", "src/*.js", "-j1", "--label", "team=core", "--progress", "none"],
    ...sh('echo "out $1"; echo err >&2'),
  );
  expect([code, stdout]).toEqual([0, "out src/a.js\nout src/b.js\n"]);
  expect(stderr).toBe("session a\nerr\nerr\na is completed: 2 files done\n");
  const stored = await session();
  expect(stored).toMatchObject({
    status: "completed",
    processed_files: ["src/a.js", "src/b.js"],
    pending_files: [],
    labels: { team: "core" },
    run: { command: ["sh", "-c", 'echo "out $1"; echo err >&2', "sh", "{}"] },
  });
  expect(resultOf(stored, "src/a.js")).toEqual({
    exit_code: 0,
    duration_ms: expect.any(Number),
    attempts: 1,
    stdout: "out src/a.js\n",
    stderr: "err\n",
    finished_time: expect.stringMatching(/^\d{4}-.*Z$/),
    command_hash: expect.stringMatching(/^[0-9a-f]{16}$/),
    fingerprint: expect.objectContaining({
      size: 8,
      mtime_ms: expect.any(Number),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    }),
  });
  const again = await run("a", "--files", "src/*.js", ...sh('echo "out $1"; echo err >&2'));
  expect(again).toEqual({ code: 0, stdout: "", stderr: "a is already completed; nothing to do\n" });
});

test("the same command adds new files, from any directory", async () => {
  const { run, dir, session, ctl } = await scene(["a.txt"]);
  await run("a", "--files", "*.txt", "--", "cat");
  await writeFile(join(dir, "b.txt"), "b.txt");
  const again = await run("a", "--files", "*.txt", "--", "cat");
  expect(again).toMatchObject({ code: 0, stdout: "b.txt" });
  expect((await session()).processed_files).toEqual(["a.txt", "b.txt"]);
  await ctl("reopen", "a");
  await ctl("progress", "a", "--added", "sub/c.txt");
  await mkdir(join(dir, "sub"));
  await writeFile(join(dir, "sub/c.txt"), "c");
  const other = await run("a", "--cwd", join(dir, "."), "--keep-done", "--", "wc", "-c");
  expect(other).toMatchObject({ code: 0, stdout: "1 sub/c.txt\n" });
  expect(other.stderr).toContain("2 of 2 done files are by another command, and keep their results\n");
});

test("files with odd names reach the command as they are", async () => {
  const odd = [
    "-n",
    "a b",
    "new\nline",
    "it's",
    'quo"te',
    "{}",
    "{.}",
    "$(id)",
    "*",
    "ünï",
    "[x](y)!",
    "__proto__",
  ];
  // A command would take this one for an option.
  const asArgument = (file: string) => (file === "-n" ? "./-n" : file);
  const { run, session, daemon } = await scene(odd);
  const { client } = daemon;
  await client.createSession({ session_id: "a", config: { target_path: "." }, pending_files: odd });
  expect(await run("a", "-j3", ...sh('[ -f "./$1" ] && printf %s "$1"'))).toMatchObject({ code: 0 });
  const stored = await session();
  for (const file of odd)
    expect(Object.entries(stored.partial_results)).toContainEqual([
      file,
      // The name that is JSON itself has become its value.
      expect.objectContaining({ stdout: file === "{}" ? {} : asArgument(file) }),
    ]);
  const shell = await run(
    "b",
    "--files",
    ...odd.filter((file) => !file.startsWith("-")),
    "--shell",
    "--keep-order",
    "--",
    "printf '%s,' {} {/.}",
  );
  // One of the files is called *, which is a pattern too.
  const sorted = [...odd.slice(1, 9), "-n", "[x](y)!", "__proto__", "ünï"];
  expect(shell.stdout).toBe(
    sorted.map((file) => `${asArgument(file)},${file === "{.}" ? "{" : file},`).join(""),
  );
});

test("lists of files, from a file and from standard input, with zero bytes too", async () => {
  const { run, dir } = await scene(["x", "y\nz"]);
  await writeFile(join(dir, "list"), "x\0y\nz\0");
  expect(await run("a", "-0", "--files-from", "list", "-k", "--", "cat")).toMatchObject({
    code: 0,
    stdout: "xy\nz",
  });
});

test("errors before the first command change nothing", async () => {
  const { run, ctl, dir } = await scene(["x"]);
  await writeFile(join(dir, "script"), "#!/bin/sh\n");
  expect(await run("a", "--files", "x", "--", "no-such-program")).toMatchObject({
    code: 127,
    stderr: 'sessionctl: there is no program "no-such-program" in $PATH\n',
  });
  expect((await run("a", "--files", "x", "--", "./script")).stderr).toContain(
    "./script is not executable; to make it so: chmod +x",
  );
  expect(await run("a", "--files", "nothing*", "--", "cat")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("nothing*: no file matches"),
  });
  expect(await run("a", "--", "cat")).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("give the files to run for with --files"),
  });
  expect(await run("a", "--", "cat", "--files", "x")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--files after -- is a word of the command"),
  });
  expect(await run("--", "cat")).toMatchObject({ code: 2 });
  expect(await run("a", "--files", "x")).toMatchObject({
    code: 2,
    // No whole command: one with another id, or without the options given, would not work when it is pasted.
    stderr: "sessionctl: give the command at the end, after --, such as: -- node --check {}\n",
  });
  expect(await run("a", "b", "--files-from", "list", "--", "cat")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("only the session id stands before --"),
  });
  expect(await run("a", "-j", "0%", "--files", "x", "--", "cat")).toMatchObject({ code: 2 });
  expect(await ctl("list", "-q")).toMatchObject({ stdout: "" });
  const away = await ctl("--socket", join(dir, "none"), "run", "a", "--files", "x", "--", "cat");
  expect(away).toMatchObject({ code: 3, stdout: "" });
});

test("a dry run changes nothing, and prints what would run", async () => {
  const { run, daemon, session, dir } = await scene(["x", "y"]);
  const dry = await run(
    "a",
    "--files",
    "x",
    "y",
    "--dry-run",
    "--joblog",
    "log",
    "--results",
    "out",
    "--",
    "cat",
    "{}",
    "{/.}",
  );
  expect(dry).toEqual({
    code: 0,
    stdout: "cat x x\ncat y y\n",
    stderr: "2 files would run; nothing was changed\n",
  });
  expect((await readdir(daemon.sessionsDir)).filter((name) => name.endsWith(".json"))).toEqual([]);
  expect([existsSync(join(dir, "log")), existsSync(join(dir, "out"))]).toEqual([false, false]);
  await run("a", "-j", "1", "--files", "x", "y", ...sh("[ $1 = x ]"));
  const before = await session();
  const explained = await run(
    ...["a", "--files", "x", "z", "--retry-failed", "-n", "--explain"],
    ...sh("[ $1 = x ]"),
  );
  expect(explained.stdout).toBe("skip  x  (done and unchanged)\nrun   y  (failed: exit status 1)\n");
  const json = await run("a", "--dry-run", "--explain", "--json", ...sh("[ $1 = x ]"));
  expect(
    json.stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { file: "x", action: "skip", reason: "done and unchanged" },
    { file: "y", action: "skip", reason: "failed: exit status 1; --retry-failed runs it again" },
  ]);
  expect(await session()).toEqual(before);
});

test("failed files are retried, recorded, and run again with --retry-failed", async () => {
  const { run, session, lines } = await scene(names(4));
  const script = "echo $1 >> tries; [ $1 != f1 ] || [ -e mended ]";
  expect(await run("a", "--files", "f*", "--retries", "2", "-j1", ...sh(script))).toMatchObject({ code: 1 });
  expect(lines("tries")).toEqual(["f0", "f1", "f1", "f1", "f2", "f3"]);
  const failed = await session();
  expect(failed).toMatchObject({ status: "failed", status_reason: "1 of 4 files failed", pending_files: [] });
  expect(resultOf(failed, "f1")).toMatchObject({ exit_code: 1, attempts: 3 });

  const nothing = await run("a", "--files", "f*", ...sh(script));
  expect(nothing).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      "a has already failed; nothing to do: 1 file failed\n  f1: exit status 1\n" +
        "to run the failed files again: sessionctl run a --retry-failed\n",
    ),
  });
  expect(await run("a", "--retry-failed", "--keep-done", ...sh(`touch mended; ${script}`))).toMatchObject({
    code: 0,
  });
  expect(lines("tries").slice(6)).toEqual(["f1"]);
  const mended = await session();
  expect(mended).toMatchObject({ status: "completed", processed_files: ["f0", "f2", "f3", "f1"] });
  expect(resultOf(mended, "f1")).toMatchObject({ exit_code: 0, attempts: 1 });
  expect(resultOf(mended, "f2")).toEqual(resultOf(failed, "f2"));
});

test("a halt leaves the other files pending: soon records running commands, now stops them", async () => {
  const { run, session, lines } = await scene(names(20));
  const soon = await run(
    "a",
    "--files",
    "f*",
    "-j2",
    "--halt",
    "soon,fail=1",
    ...sh("[ $1 != f10 ] || exit 3"),
  );
  expect(soon).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("1 file failed (--halt soon,fail=1)"),
  });
  const paused = await session();
  expect(paused).toMatchObject({ status: "paused", status_reason: "1 file failed (--halt soon,fail=1)" });
  expect(paused.processed_files.length + paused.pending_files.length).toBe(20);
  expect(paused.pending_files.length).toBeGreaterThan(0);
  const earlier = paused.processed_files.length - 1;
  expect(await run("a", "--keep-done", ...sh("true"))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      `a has failed: 19 files done (${earlier} of them earlier), 1 failed (1 of them earlier)\n`,
    ),
  });

  const now = await run(
    "b",
    "--files",
    "f0",
    "f1",
    "f2",
    "-j2",
    "--halt",
    "now,fail=1",
    ...sh("[ $1 = f0 ] && exec sleep 60; until [ -e go ]; do touch go; done; exit 1"),
  );
  expect(now).toMatchObject({ code: 1 });
  expect(await session("b")).toMatchObject({
    status: "paused",
    processed_files: ["f1"],
    pending_files: ["f0", "f2"],
  });
  const success = await run("c", "--files", "f*", "-j1", "--halt", "soon,success=1", ...sh("echo $1 >> ran"));
  expect([success.code, lines("ran")]).toEqual([0, ["f0"]]);
});

test("files that have changed run again", async () => {
  const { run, dir, session } = await scene(["same", "touched", "edited", "gone"]);
  const first = await run("a", "--files", "*", "--rerun-if", "changed", ...sh("cat $1"));
  expect(first.code).toBe(0);
  await utimes(join(dir, "touched"), 1, 1);
  await writeFile(join(dir, "edited"), "EDITED");
  await chmod(join(dir, "same"), 0o600);
  const again = await run("a", "--rerun-if", "changed", "--explain", ...sh("cat $1"));
  expect(again).toMatchObject({ code: 0, stdout: "EDITED" });
  expect(again.stderr).toContain("run   edited  (changed: content)");
  expect(again.stderr).toContain("skip  touched  (done and unchanged)");
  expect(resultOf(await session(), "edited")).toMatchObject({ stdout: "EDITED" });
  expect((await run("a", "--rerun-if", "changed", ...sh("cat $1"))).stderr).toContain("nothing to do");
});

test("--rerun-if changed compares content, keeps results of what is gone, and says what it cannot compare", async () => {
  const { run, dir, session, daemon } = await scene(["a", "b", "c", "dir/x"]);
  await daemon.client.createSession({
    session_id: "a",
    config: { target_path: dir },
    pending_files: ["a", "b", "c", "dir", "ticket-7"],
  });
  expect((await run("a", ...sh("true"))).code).toBe(0);
  const before = await session();
  await writeFile(join(dir, "a"), "x");
  const { mtime_ms } = (resultOf(before, "a") as { fingerprint: { mtime_ms: number } }).fingerprint;
  await utimes(join(dir, "a"), mtime_ms / 1000, mtime_ms / 1000);
  await rm(join(dir, "b"));
  await writeFile(join(dir, "dir/x"), "changed");
  const explained = await run("a", "--rerun-if", "changed", "-n", "--explain", ...sh("true"));
  expect(explained.stdout.split("\n").slice(0, -1).sort()).toEqual([
    "run   a  (changed: content)",
    "skip  b  (the file is gone; its result is kept)",
    "skip  c  (done and unchanged)",
    "skip  dir  (a directory, whose content is not compared; its result is kept)",
    "skip  ticket-7  (not a file, so that no content can be compared; its result is kept)",
  ]);
  const { code, stderr } = await run("a", "--rerun-if", "changed", ...sh("true"));
  expect(code).toBe(0);
  expect(stderr).toContain("1 file is gone, and its result is kept: b\n");
  expect(stderr).toContain("1 item is a directory, whose content is not compared: dir\n");
  expect(stderr).toContain("1 item is not a file, so that no content can be compared: ticket-7\n");
  const after = await session();
  expect(resultOf(after, "b")).toEqual(resultOf(before, "b"));
  expect(after.status).toBe("completed");
});

test("many files of one kind are counted, and three of them named", async () => {
  const { run, dir, ctl, lines } = await scene(names(9));
  const script = "echo $1 >> again; [ $1 != f8 ]";
  await run("a", "--files", "f*", "-j1", ...sh(script));
  await ctl("progress", "a", "--processed", "f8", "--results", '{"f7": {"exit_code": 0}}');
  for (const gone of names(5)) await rm(join(dir, gone));
  // A file that is gone is not run again because it failed.
  await rm(join(dir, "f8"));
  const { stderr } = await run("a", "--rerun-if", "changed", "--retry-failed", ...sh(script));
  expect(stderr).toContain(
    "6 files are gone, and their results are kept: f0, f1, f2 and 3 more (to see all: --dry-run --explain)\n",
  );
  expect(stderr).toContain("1 file runs again, because its result has no hash to compare: f7\n");
  expect(lines("again").slice(9)).toEqual(["f7"]);
});

test("many thousand files are added to a session in parts", async () => {
  const { run, session } = await scene([]);
  const list = join(await tempDir(), "list");
  await writeFile(list, Array.from({ length: 12_000 }, (_, at) => `dir/file-${at}\n`).join(""));
  expect(await run("a", "--files-from", list, "--halt", "soon,done=20", "--", "true")).toMatchObject({
    code: 0,
  });
  const stored = await session();
  expect(stored.processed_files.length).toBeGreaterThanOrEqual(20);
  expect(stored.processed_files.length + stored.pending_files.length).toBe(12_000);
  expect(stored.pending_files.at(-1)).toBe("dir/file-11999");
});
