/** What `sessionctl run` does with the output of commands, and with the processes that they leave behind. */
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { isAlive, names, resultOf, scene, sh } from "./running-run.ts";

test("the time limit stops a command with all its children", async () => {
  const { run, session, lines } = await scene(["x"]);
  const script =
    "trap '' TERM; (trap '' TERM; sh -c 'echo $$ >> pids; exec sleep 60') & sleep 60 & wait; wait";
  expect(await run("a", "--files", "x", "--timeout", "500ms", ...sh(script))).toMatchObject({ code: 1 });
  expect(resultOf(await session(), "x")).toMatchObject({ exit_code: 124, timed_out: true });
  expect(lines("pids")).toHaveLength(1);
  for (const pid of lines("pids")) expect(isAlive(Number(pid))).toBe(false);
});

test("the output of each file is printed whole, as it finishes or in the order of the files", async () => {
  const { run } = await scene(names(3));
  const script = (go: string) =>
    `printf %s "$1-"; case $1 in f0) until [ -e ${go} ]; do sleep 0.05; done;; f2) touch ${go};; esac; echo "$1"`;
  const files = ["--files", "f0", "f1", "f2", "-j3"];
  const ordered = await run("a", ...files, "-k", ...sh(script("go-a")));
  expect(ordered.stdout).toBe("f0-f0\nf1-f1\nf2-f2\n");
  const later = await run("b", ...files, ...sh(script("go-b")));
  expect(later.stdout.split("\n").sort()).toEqual(["", "f0-f0", "f1-f1", "f2-f2"]);
  const json = await run("c", "--files", "f*", "-k", "--json", ...sh('echo "{\\"n\\": [1]}"; exit 4'));
  expect(
    json.stdout
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line)),
  ).toMatchObject(names(3).map((file) => ({ file, exit_code: 4, stdout: { n: [1] } })));
});

test("a command opens /dev/stdout and /dev/stderr by name, and nobody else writes into its output", async () => {
  const { run, session, lines } = await scene(["a", "b"]);
  // It also ends when the directory of the test is gone.
  const late =
    "trap '' PIPE; echo $$ >> pids; while [ -e going ]; do echo late; echo late >&2; sleep 0.05; done";
  const starts = `touch going; setsid sh -c "${late.replaceAll("$", "\\$")}" &`;
  const leaves = `${starts} until [ -s pids ]; do sleep 0.01; done`;
  const writes = "echo b >/dev/stderr; echo b >/dev/stdout; sleep 0.3; rm going";
  expect(
    await run("a", "--files", "a", "b", "-j1", ...sh(`case $1 in a) ${leaves} ;; b) ${writes};; esac`)),
  ).toMatchObject({ code: 0 });
  expect(resultOf(await session(), "b")).toMatchObject({ stdout: "b\n", stderr: "b\n" });
  const [pid] = lines("pids").map(Number) as [number];
  await eventually(() => expect(isAlive(pid)).toBe(false));
});

test("of much output the ends are recorded, and --results keeps all of it", async () => {
  const { run, session, dir } = await scene(["x"]);
  const script = "echo first; head -c 3000000 /dev/zero; echo last; echo e >&2";
  const cut = await run("a", "--files", "x", "--output-limit", "1KiB", ...sh(script));
  expect(cut).toMatchObject({ code: 0, stderr: expect.stringContaining("x wrote more than 1.0 KiB") });
  const result = resultOf(await session(), "x");
  expect(result).toMatchObject({ truncated: { stdout: 3_000_011 }, stderr: "e\n" });
  expect(result.stdout).toMatch(/^first\n\0+\n… 2998987 bytes left out …\n\0+last\n$/);
  await run("b", "--files", "x", "--output-limit", "1KiB", "--results", "out", ...sh(script));
  expect((await stat(join(dir, "out/x/stdout"))).size).toBe(3_000_011);
  expect(await readFile(join(dir, "out/x/stderr"), "utf8")).toBe("e\n");
  expect(resultOf(await session("b"), "x").stdout).toBe(result.stdout);
  await run("c", "--files", "x", "--results", "out", ...sh("echo a >&2; echo b >>/dev/stderr; echo c >&2"));
  expect(await readFile(join(dir, "out/x/stderr"), "utf8")).toBe("a\nb\nc\n");
});

test("--results and --joblog continue when a run continues", async () => {
  const { run, dir, lines } = await scene(["d/a b", "c"]);
  await run("a", "--files", "c", "--joblog", "log", "--results", "out", ...sh("echo $1; exit 3"));
  await run("a", "--files", "d/*", "--joblog", "log", "--results", "out", ...sh("echo $1; kill -9 $$"));
  expect(await readFile(join(dir, "out/d%2Fa%20b/stdout"), "utf8")).toBe("d/a b\n");
  expect(await readFile(join(dir, "out/c/seq"), "utf8")).toBe("1\n");
  const [header, ...rows] = lines("log").map((line) => line.split("\t"));
  expect(header).toEqual([
    "Seq",
    "Host",
    "Starttime",
    "JobRuntime",
    "Send",
    "Receive",
    "Exitval",
    "Signal",
    "Command",
  ]);
  expect(
    rows.map(([seq, , , , send, receive, exit, signal, command]) => [
      seq,
      send,
      receive,
      exit,
      signal,
      command,
    ]),
  ).toEqual([
    ["1", "0", "2", "3", "0", "sh -c 'echo $1; exit 3' sh c"],
    ["2", "0", "6", "0", "9", "sh -c 'echo $1; kill -9 $$' sh 'd/a b'"],
  ]);
});

test("processes that a command leaves behind do not delay the run, and are stopped", async () => {
  const { run, lines, session } = await scene(["x", "y"]);
  const script = "echo $1; sleep 60 & echo $! >> pids; [ $1 = y ] && exec >&- 2>&- sleep 0.3";
  const { stdout } = await run("a", "--files", "x", "y", "-j2", "-k", ...sh(`${script}; true`));
  expect(stdout).toBe("x\ny\n");
  for (const pid of lines("pids")) expect(isAlive(Number(pid))).toBe(false);
  expect(await session()).toMatchObject({ status: "completed" });
});

test("a file fails if its command cannot be started, and the other files still run", async () => {
  const { run, session, dir } = await scene([]);
  await mkdir(join(dir, "bin"));
  await writeFile(join(dir, "bin/good"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
  await writeFile(join(dir, "bin/bad"), "#!/bin/sh\n", { mode: 0o644 });
  await writeFile(join(dir, "list"), "bin/good\nbin/bad\nbin/none\n");
  expect(await run("a", "--files-from", "list", "-j1", "--", "./{}")).toMatchObject({
    code: 1,
    stdout: "ran\n",
  });
  const stored = await session();
  expect(["bin/good", "bin/bad", "bin/none"].map((file) => resultOf(stored, file).exit_code)).toEqual([
    0, 126, 127,
  ]);
  expect(resultOf(stored, "bin/none").error).toBe(
    "cannot be started: the program, or the interpreter in its first line, does not exist (ENOENT)",
  );
});

test("a name that is too long for any command is the file's own failure", async () => {
  const { run, session, dir } = await scene([]);
  const long = "x".repeat(200_000);
  await writeFile(join(dir, "list"), `${long}\nfine\n`);
  expect(await run("a", "--files-from", "list", "-j1", "--", "echo")).toMatchObject({
    code: 1,
    stdout: "fine\n",
  });
  expect(resultOf(await session(), long)).toMatchObject({
    exit_code: 126,
    error: "cannot be started: argument list too long (E2BIG)",
  });
});
