/**
 * `sessionctl run ID` alone goes on with what the session remembers, and what is given then is remembered.
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { names, scene, sh } from "./running-run.ts";

const quiet = ["--progress", "none"];

test("goes on with command, directory and options, from any directory, and says so first", async () => {
  const { run, dir, ctl, session } = await scene(["a.txt", "sub/x"]);
  const first = [
    "-j50%",
    "--retries",
    "1",
    "--timeout",
    "90s",
    "--halt",
    "now,fail=9",
    "--output-limit",
    "1kB",
  ];
  await run("a", "--files", "*.txt", ...first, ...quiet, "--", "cat", "-n");
  expect((await session()).run).toEqual({
    command: ["cat", "-n"],
    directory: dir,
    jobs: "50%",
    retries: 1,
    timeout: "90s",
    halt: "now,fail=9",
    output_limit: "1000B",
  });
  await writeFile(join(dir, "b.txt"), "b\n");
  await ctl("reopen", "a");
  await ctl("progress", "a", "--added", "b.txt");
  const { code, stdout, stderr } = await run("a", ...quiet);
  expect([code, stdout]).toEqual([0, "     1\tb\n"]);
  expect(stderr).toBe(
    "going on with: cat -n\n" +
      `in ${dir}, with --jobs '50%' --retries 1 --timeout 90s --halt 'now,fail=9' --output-limit 1000B\n` +
      "a is completed: 2 files done (1 of them earlier)\n",
  );
  // Patterns are not read again.
  await writeFile(join(dir, "c.txt"), "c\n");
  expect((await run("a", ...quiet)).stderr).toBe("a is already completed; nothing to do\n");
});

test("options that are given win, and are remembered from then on; others stay", async () => {
  const { run, dir, session } = await scene(["a.txt"]);
  await run("a", "--files", "*.txt", "--retries", "2", "--timeout", "5s", ...quiet, ...sh("false"));
  await run("a", "--retry-failed", "--retries", "0", "--timeout", "0", "-j2", ...quiet);
  const { run: memory, partial_results } = await session();
  expect(memory).toEqual({ command: sh("false").slice(1), directory: dir, retries: 0, jobs: "2" });
  expect(partial_results).toMatchObject({ "a.txt": { attempts: 1 } });
  // What is meant for once is not remembered.
  expect((await run("a", ...quiet)).stderr).toContain("nothing to do: 1 file failed");
});

test("options are remembered also if there is nothing to do, unlike another command", async () => {
  const { run, dir, session } = await scene(["a.txt"]);
  await run("a", "--files", "*.txt", "-j2", ...quiet, "--", "echo");
  const before = await session();
  expect((await run("a", "-j2", ...quiet)).code).toBe(0);
  expect(await session()).toEqual(before);
  await mkdir(join(dir, "sub"));
  await rename(join(dir, "a.txt"), join(dir, "sub/a.txt"));
  const moved = await run("a", "--cwd", "sub", "-j3", "--keep-done", ...quiet, "--", "echo", "other");
  expect(moved.stderr).toContain("a is already completed; nothing to do\n");
  expect((await session()).run).toEqual({ command: ["echo"], directory: join(dir, "sub"), jobs: "3" });
});

test("files that are given join, and run with the command that is remembered", async () => {
  const { run, dir, session } = await scene(["a.txt", "b.md", "c.md"]);
  await run("a", "--files", "*.txt", ...quiet, "--", "cat");
  await writeFile(join(dir, "list"), "c.md\n");
  const { code, stdout } = await run("a", "--files", "b.*", "--files-from", "list", "-k", ...quiet);
  expect([code, stdout]).toEqual([0, "b.mdc.md"]);
  expect([...(await session()).processed_files].sort()).toEqual(["a.txt", "b.md", "c.md"]);
});

test("another command takes the place of the first; a shell line does not make the next one a shell line", async () => {
  const { run, session, ctl } = await scene(names(3));
  await run("a", "--files", "f0", "--shell", ...quiet, "--", "cat {} | tr f g");
  expect((await session()).run).toMatchObject({ command: ["cat {} | tr f g"], shell: true });
  await ctl("reopen", "a");
  await ctl("progress", "a", "--added", "f1");
  expect((await run("a", ...quiet)).stdout).toBe("g1");
  await run("a", "--files", "f2", "--keep-done", ...quiet, "--", "echo", "{} | tr f g");
  const { run: memory } = await session();
  expect(memory).toMatchObject({ command: ["echo", "{} | tr f g"] });
  expect(memory).not.toHaveProperty("shell");
});

test("a dry run shows what would run, and changes nothing that is remembered", async () => {
  const { run, dir, session } = await scene(names(2));
  await run("a", "--files", "f0", ...quiet, "--", "cat");
  const before = await session();
  const { stdout, stderr } = await run("a", "--files", "f1", "-n", "-j7");
  expect(stdout).toBe("cat f1\n");
  expect(stderr).toContain(`going on with: cat\nin ${dir}\n`);
  expect(await session()).toEqual(before);
});

test("a directory that is gone is an error; --cwd helps, and is remembered", async () => {
  const { run, dir, session, ctl } = await scene(["p/f0"]);
  const { code } = await run("a", "--cwd", join(dir, "p"), "--files", "f0", ...quiet, ...sh("false"));
  expect(code).toBe(1);
  await rename(join(dir, "p"), join(dir, "q"));
  const gone = await run("a", "--retry-failed", ...quiet);
  expect(gone).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`the directory ${dir}/p does not exist; give another one with --cwd`),
  });
  expect((await run("a", "--retry-failed", "--cwd", "q", ...quiet)).stderr).toContain(`in ${dir}/q\n`);
  expect((await session()).run).toMatchObject({ directory: `${dir}/q` });
  await rm(join(dir, "q"), { recursive: true });
  await mkdir(join(dir, "q"));
  const { stdout } = await ctl("show", "a");
  expect(stdout).toMatch(/^Command +sh -c false sh \{\}$/m);
  expect(stdout).toMatch(new RegExp(`^Directory +${dir}/q$`, "m"));
  expect(stdout).not.toMatch(/^Options/m);
});

test("without anything to go on with: what to do instead, and nothing is changed", async () => {
  const { run, daemon } = await scene(names(1));
  expect(await run("a")).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('no session "a" to go on with'),
  });
  expect(await run("a", "--files", "f*")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("after --"),
  });
  expect(await run()).toMatchObject({ code: 2 });
  await daemon.client.createSession({ session_id: "a", config: { target_path: "." }, pending_files: ["f0"] });
  expect(await run("a")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('"a" remembers no command; give the command at the end, after --'),
  });
  expect(await daemon.client.getSession("a")).toMatchObject({ revision: 1, pending_files: ["f0"] });
});

test.each([
  ['"cat {}"', "run is not an object"],
  ['{"command": "cat {}"}', "run.command is not a list of words"],
  ['{"command": ["cat"], "retries": [2]}', "run.retries: it must be a whole number"],
  ['{"command": ["cat"], "directory": 5}', "run.directory is not an absolute path"],
])("what another program wrote there is said, and what is given helps: %s", async (text, message) => {
  const { run, daemon, dir, ctl, session } = await scene(["f0"]);
  const config = { target_path: "." };
  const document = { session_id: "a", status: "paused", config, processed_files: [], pending_files: ["f0"] };
  const rest = { partial_results: {}, checkpoint_time: "2026-01-02T03:04:05Z" };
  const odd = JSON.stringify({ ...document, ...rest }).replace(/}$/, `,"run":${text}}`);
  await writeFile(join(daemon.sessionsDir, "a.json"), odd);
  await expect
    .poll(() =>
      session().then(
        ({ run: stored }) => stored,
        () => undefined,
      ),
    )
    .toEqual(parseJson(text));
  const refused = await run("a", ...quiet);
  expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining(message) });
  expect((await session()).status).toBe("paused");
  if (!text.includes('["cat"]')) expect((await ctl("validate", "a")).stdout).toContain("run");
  const mended = await run("a", "--retries", "0", "--cwd", dir, ...quiet, "--", "cat");
  expect(mended).toMatchObject({ code: 0, stdout: "f0" });
  expect((await session()).run).toEqual({ command: ["cat"], directory: dir, retries: 0 });
});

test("export and import, backup and restore carry what is remembered", async () => {
  const { run, ctl, dir, session, daemon } = await scene(names(2));
  await run("a", "--files", "f0", "-j3", ...quiet, "--", "cat");
  const { run: memory } = await session();
  const { stdout } = await ctl("export", "a");
  await writeFile(join(dir, "a.json"), stdout);
  await ctl("import", "a.json", "--as", "b");
  expect((await session("b")).run).toEqual(memory);
  expect((await run("b", "--files", "f1", ...quiet)).stdout).toBe("f1");
  const worker = await daemon.client.attach("b");
  expect(worker.session.run).toEqual(memory);
  await worker.detach();
  const { backup } = await daemon.client.createBackup("a");
  await daemon.client.editSession("a", { run: null });
  expect(await session()).not.toHaveProperty("run");
  await daemon.client.restoreBackup("a", backup);
  expect((await session()).run).toEqual(memory);
});
