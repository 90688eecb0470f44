/** How `sessionctl run` finds and names its files, and what it says of those that it leaves out. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { scene } from "./running-run.ts";

const nothing = ["--", "true"];

/** The files that run, in a dry run. */
const wouldRun = (stdout: string) => stdout.split("\n").slice(0, -1).sort();
const dry = ["--dry-run", "--", "echo", "{}"];
const echoed = (...files: string[]) => files.map((file) => `echo ${file}`).sort();

test("a pattern that goes up finds the files of the directory itself, and no excluded ones", async () => {
  const { run, dir } = await scene(["mono/pk/a/1.js", "mono/pk/b/2.js", "mono/node_modules/z/3.js"]);
  const cwd = join(dir, "mono/pk/a");
  const args = ["a", "--cwd", cwd, "--files", "../../**/*.js", "--exclude", "**/node_modules/**"];
  const { stdout } = await run(...args, ...dry);
  expect(wouldRun(stdout)).toEqual(echoed("../../pk/a/1.js", "../../pk/b/2.js"));
});

test("a file called like a pattern is one match of several", async () => {
  const { run } = await scene(["sub/*.js", "sub/a.js", "[x].js", "x.js"]);
  const { stdout, stderr } = await run("a", "--files", "sub/*.js", "[x].js", ...dry);
  expect(wouldRun(stdout)).toEqual(echoed("'sub/*.js'", "sub/a.js", "'[x].js'", "x.js"));
  expect(stderr).toContain(
    "[x].js is a file, and a pattern that matches other files; all of them are taken\n",
  );
});

test("excludes hold for names and lists as well, and are said not to for pending files", async () => {
  const { run, dir } = await scene(["a.js", "b.js", "lib/c.js"]);
  writeFileSync(join(dir, "list"), "b.js\nlib/c.js\n./lib/c.js\n");
  const args = ["--files", "a.js", "b.js", "--files-from", "list", "--exclude", "a.js", "lib"];
  const { stdout } = await run("a", ...args, ...dry);
  expect(wouldRun(stdout)).toEqual(echoed("b.js"));
  expect(await run("a", "--exclude", "a.js", ...nothing)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--exclude does nothing without --files or --files-from"),
  });
  await run("a", "--files", "*.js", "--halt", "soon,done=1", "-j1", ...nothing);
  const { stderr } = await run("a", "--files", "*.js", "--exclude", "b.js", ...nothing);
  expect(stderr).toContain("1 excluded file is pending in the session, and runs: b.js\n");
});

test("what is skipped is counted and named", async () => {
  const { run, dir } = await scene(["a.js", "real/b.js"]);
  for (const name of ["l1", "l2", "l3", "l4"]) symlinkSync("real", join(dir, name));
  symlinkSync("nowhere", join(dir, "dead.js"));
  execFileSync("mkfifo", [join(dir, "pipe.js")]);
  const { code, stderr } = await run("a", "--files", "**/*.js", "real", "no*", "nil", ...nothing);
  expect(code).toBe(0);
  expect(stderr).toContain(
    "sessionctl: 4 links to directories are not entered (to enter them, add --follow): " +
      "l1, l2, l3 and 1 more (to see all: --dry-run --explain)\n" +
      "sessionctl: 1 link leads to nothing: dead.js\n" +
      "sessionctl: 1 name is skipped, because it is not that of a file: pipe.js (pipe)\n" +
      "sessionctl: real: this is a directory; to match the files in it, add /**\n" +
      "sessionctl: no*, nil: no file matches\n",
  );
  const explained = await run("a", "--files", "**/*.js", "real", "no*", "--explain", "-n", ...nothing);
  expect(explained.stdout.split("\n").filter((line) => line.startsWith("skip"))).toEqual(
    expect.arrayContaining([
      "skip  l4  (a link to a directory; to enter it, add --follow)",
      "skip  dead.js  (a link to nothing)",
      "skip  pipe.js  (pipe)",
    ]),
  );
  const followed = await run("b", "--files", "**/*.js", "--follow", ...dry);
  expect(wouldRun(followed.stdout)).toEqual(
    echoed("a.js", ...["l1", "l2", "l3", "l4", "real"].map((name) => `${name}/b.js`)),
  );
});

describe("what cannot be looked at", () => {
  const notUtf8 = (dir: string) => Buffer.concat([Buffer.from(`${dir}/d`), Buffer.from([0xff])]);
  const spoil = (dir: string) => {
    mkdirSync(notUtf8(dir));
    writeFileSync(Buffer.concat([notUtf8(dir), Buffer.from("/x.js")]), "");
    symlinkSync("self.js", join(dir, "self.js"));
  };
  const mend = (dir: string) => {
    rmSync(notUtf8(dir), { recursive: true });
    rmSync(join(dir, "self.js"));
  };

  test("leaves the session paused, with exit code 1, after the rest is done; the next run looks again", async () => {
    const { run, dir, session } = await scene(["a.js"]);
    spoil(dir);
    const first = await run("a", "--files", "**/*.js", ...nothing);
    expect(first.code).toBe(1);
    const reason =
      "files may be missing: d\\xff/x.js (its name is not UTF-8), self.js (a loop: too many symbolic links encountered)";
    expect(first.stderr).toContain("sessionctl: 1 place could not be looked at: self.js (a loop: too many");
    expect(first.stderr).toContain(
      "sessionctl: 1 file is left out, because its name is not UTF-8: d\\xff/x.js\n",
    );
    expect(first.stderr).toContain(
      `a is paused: 1 file done\nsessionctl: ${reason}\n` +
        "to look again, run the same command again; to do without these places, add --exclude\n",
    );
    expect(await session()).toMatchObject({
      status: "paused",
      status_reason: reason,
      processed_files: ["a.js"],
      run: { unseen: { "**/*.js": expect.stringContaining("self.js (a loop") } },
    });
    expect((await run("a", "--files", "**/*.js", ...nothing)).code).toBe(1);
    mend(dir);
    const again = await run("a", "--files", "**/*.js", ...nothing);
    expect(again.code).toBe(0);
    expect(again.stderr).toContain("a is completed: 1 file done (1 of them earlier)\n");
    expect(again.stderr).not.toContain("missing");
    const stored = await session();
    expect(stored.status).toBe("completed");
    expect(stored.run).not.toHaveProperty("unseen");
  });

  test("is counted once, however many patterns come by", async () => {
    const { run, dir } = await scene(["a.js"]);
    spoil(dir);
    const { stderr } = await run("a", "--files", "**/*.js", "*.js", ...nothing);
    expect(stderr).toContain("sessionctl: 1 place could not be looked at: self.js (a loop");
  });

  test("is said of names in a list, which run", async () => {
    const { run, dir } = await scene(["a.js"]);
    spoil(dir);
    writeFileSync(join(dir, "list"), "a.js\nself.js\n");
    const { code, stderr } = await run("a", "--files-from", "list", ...nothing);
    expect(code).toBe(0);
    expect(stderr).toContain("1 listed name could not be looked at, and runs: self.js\n");
  });

  test("is remembered by runs that do not look, or look elsewhere", async () => {
    const { run, dir, session } = await scene(["a.js", "b.ts"]);
    spoil(dir);
    await run("a", "--files", "**/*.js", ...nothing);
    mend(dir);
    for (const files of [[], ["--files", "*.ts"]]) {
      const { code, stderr } = await run("a", ...files, ...nothing);
      expect(code).toBe(1);
      expect(stderr).toContain("files may be missing: d\\xff/x.js");
      expect(stderr).toContain("to look again, add --files '**/*.js'\n");
      expect((await session()).status).toBe("paused");
    }
    const both = await run("a", "--files", "**/*.js", "*.ts", ...nothing);
    expect(both).toMatchObject({ code: 0 });
    expect((await session()).status).toBe("completed");
  });

  test("is found by another pattern", async () => {
    const { run, dir, session } = await scene(["a.js"]);
    symlinkSync("self.js", join(dir, "self.js"));
    expect((await run("a", "--files", "a.js", "self.js", ...nothing)).code).toBe(1);
    rmSync(join(dir, "self.js"));
    writeFileSync(join(dir, "self.js"), "");
    expect((await run("a", "--files", "*.js", ...nothing)).code).toBe(0);
    expect(await session()).toMatchObject({ status: "completed", processed_files: ["a.js", "self.js"] });
  });

  test("is remembered when the run is interrupted", async () => {
    const { run, start, dir, session, lines } = await scene(["a.js"]);
    spoil(dir);
    const running = start("a", "--files", "**/*.js", "--", "sh", "-c", "echo >>began; sleep 0.2");
    await eventually(() => expect(lines("began")).toHaveLength(1));
    running.kill("SIGINT");
    expect((await running.ended).code).toBe(1);
    expect(await session()).toMatchObject({
      status: "paused",
      status_reason: expect.stringContaining("missing"),
    });
    mend(dir);
    const other = ["--keep-done", ...nothing];
    expect((await run("a", ...other)).code).toBe(1);
    expect((await run("a", "--files", "**/*.js", ...other)).code).toBe(0);
  });

  test("may be excluded", async () => {
    const { run, dir } = await scene(["a.js"]);
    spoil(dir);
    await run("a", "--files", "**/*.js", ...nothing);
    const args = ["--files", "**/*.js", "--exclude", "self.js", "d*", ...nothing];
    const { code, stderr } = await run("a", ...args);
    expect(code).toBe(0);
    expect(stderr).not.toMatch(/missing|looked at|UTF-8/);
  });

  test("is said by a dry run and by one that creates no session", async () => {
    const { run, dir, ctl } = await scene(["a.js"]);
    spoil(dir);
    expect(await run("a", "--files", "**/*.js", ...dry)).toMatchObject({
      code: 1,
      stdout: "echo a.js\n",
      stderr: expect.stringContaining("files may be missing"),
    });
    expect(await run("a", "--files", "self*", ...nothing)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("no files match; nothing was done"),
    });
    expect(await ctl("list", "-q")).toMatchObject({ stdout: "" });
  });

  test("opens a completed session again, and failed files are told besides", async () => {
    const { run, dir, session } = await scene(["a.js"]);
    expect((await run("a", "--files", "**/*.js", "--", "false")).code).toBe(1);
    expect((await session()).status).toBe("failed");
    spoil(dir);
    const { code } = await run("a", "--files", "**/*.js", "--", "false");
    expect(code).toBe(1);
    expect(await session()).toMatchObject({
      status: "paused",
      status_reason: expect.stringMatching(/^files may be missing: .*; 1 of 1 files failed$/),
    });
  });
});

describe("several names for one file", () => {
  test("are said, and the file runs once", async () => {
    const { run, dir, session } = await scene(["a", "b", "sub/c"]);
    writeFileSync(join(dir, "list"), `./a\n${dir}/b\nsub/../a\na\nb\nb\n`);
    const { stderr } = await run("a", "--files", "a", "[ab]", "--files-from", "list", "-j1", ...nothing);
    expect(stderr).toContain("2 files are named more than once, and run once each: a, b\n");
    expect(stderr).toContain(
      "3 names are other spellings of files, which run once each: " +
        `./a (runs as a), ${dir}/b (runs as b), sub/../a (runs as a)\n`,
    );
    expect((await session()).processed_files).toEqual(["a", "b"]);
    const again = await run("a", "--files", "./a", "./sub/*", ...nothing);
    expect(again.stderr).toContain(
      "1 name is another spelling of a file, which runs once: ./a (runs as a)\n",
    );
    expect((await session()).processed_files).toEqual(["a", "b", "./sub/c"]);
    expect((await run("a", "--files", "a", "--exclude", "a", "-n", ...nothing)).stderr).toContain(
      "a: no file matches that is not excluded\n",
    );
    const explained = await run("a", "--files", "./a", "--explain", "-n", ...nothing);
    expect(explained.stdout).toContain("note  ./a  (runs as a)\n");
  });

  test("are two files where the session has both", async () => {
    const { run, daemon, session } = await scene(["a"]);
    await daemon.client.createSession({
      session_id: "a",
      config: { target_path: "." },
      pending_files: ["a", "./a"],
    });
    const { stderr } = await run("a", "--files", "a", "./a", ...nothing);
    expect(stderr).toContain("1 file is in the session under two names, and counts as two: ./a (also a)\n");
    expect((await session()).processed_files.toSorted()).toEqual(["./a", "a"]);
  });

  test("are two files if one is a link, and `..` after a link is where the link leads", async () => {
    const { run, dir, session } = await scene(["a", "x/a", "x/y/z"]);
    symlinkSync("a", join(dir, "l"));
    symlinkSync("x/y", join(dir, "way"));
    const { stderr } = await run("a", "--files", "a", "l", "way/../a", "x/a", ...nothing);
    expect(stderr).toContain("1 link leads to a file that runs too; both run: l (the same file as a)\n");
    expect(stderr).toContain(
      "1 name is another spelling of a file, which runs once: x/a (runs as way/../a)\n",
    );
    expect((await session()).processed_files.toSorted()).toEqual(["a", "l", "way/../a"]);
  });

  test("names of no file and of directories in a list are said, and run", async () => {
    const { run, dir, session } = await scene(["a", "sub/b"]);
    writeFileSync(join(dir, "list"), "a\nnil\nsub\n");
    const { code, stderr } = await run("a", "--files-from", "list", ...nothing);
    expect(code).toBe(0);
    expect(stderr).toContain(
      "1 listed name is that of no file, and runs: nil\n1 listed name is that of a directory, and runs: sub\n",
    );
    expect((await session()).processed_files.toSorted()).toEqual(["a", "nil", "sub"]);
  });
});

test("a list keeps each name exactly", async () => {
  const { run, dir } = await scene([]);
  writeFileSync(join(dir, "zero"), "\ufeffa\0b\r\0c\nd\0");
  const { stdout } = await run("a", "-0", "--files-from", "zero", "-n", "--json", ...nothing);
  const files = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).file);
  expect(files).toEqual(["\ufeffa", "b\r", "c\nd"]);
  writeFileSync(join(dir, "lines"), "\ufeffa\r\n\r\nb\r\n");
  const lines = await run("a", "--files-from", "lines", "-n", "--json", ...nothing);
  expect(
    lines.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).file),
  ).toEqual(["a", "b"]);
});

test("patterns that mean nothing are refused with what to write instead", async () => {
  const { run } = await scene(["a.js"]);
  expect(await run("a", "--files", "!b.js", ...nothing)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("!b.js: it begins with !; to leave files out, use --exclude"),
  });
  expect(await run("a", "--files", "a.js", "--exclude", "*/../b", ...nothing)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--exclude: it goes up (..) after a wildcard"),
  });
});
