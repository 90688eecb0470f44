/** What `sessionctl run` takes for done, and what it asks when done files have changed since. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { type Opening, openSession } from "../../src/runner/session-run.ts";
import { eventually } from "../support/eventually.ts";
import { resultOf, type Scene, scene, sh } from "./running-run.ts";

const remedy =
  "nothing was started; to run them again, add --rerun-if changed\n" +
  "to keep their results for this once, add --keep-done\n";
const echo = sh("echo $1 >> ran");
/** The same work in other words. */
const otherEcho = sh("echo $1 >>ran");
const last = "the last command was: sh -c 'echo $1 >> ran' sh {}\n";
const rerun = ["--rerun-if", "changed"];

/** The files that ran since the last call. */
async function ran({ dir, lines }: Scene): Promise<string[]> {
  const files = lines("ran").sort();
  await rm(join(dir, "ran"), { force: true });
  return files;
}

/** A run with `echo` has done these files. */
async function done(...files: string[]): Promise<Scene> {
  const at = await scene(files);
  expect((await at.run("a", "-j1", "--files", ...files, ...echo)).code).toBe(0);
  expect(await ran(at)).toEqual(files);
  return at;
}

const edit = ({ dir }: Scene, file: string, content = `${file}, edited`) =>
  writeFile(join(dir, file), content);

test("another command over done files is refused until told what to do with them", async () => {
  const at = await done("a.js", "b.js");
  const before = await at.session();
  const refused = await at.run("a", "--files", "*.js", ...otherEcho);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toBe(
    `sessionctl: 2 of 2 done files are by another command\n${last}${remedy}` +
      "to see which files and why, add --dry-run --explain\n",
  );
  expect(await at.session()).toEqual(before);

  const kept = await at.run("a", "--files", "*.js", "--keep-done", ...otherEcho);
  expect(kept.code).toBe(0);
  expect(kept.stderr).toContain("2 of 2 done files are by another command, and keep their results\n");
  expect(await ran(at)).toEqual([]);
  // The next run asks again.
  expect((await at.run("a", ...otherEcho)).code).toBe(2);

  const again = await at.run("a", ...rerun, ...otherEcho);
  expect(again.code).toBe(0);
  expect(again.stderr).toContain("2 of 2 done files are by another command, and run again\n");
  expect(await ran(at)).toEqual(["a.js", "b.js"]);
  expect((await at.run("a", ...otherEcho)).stderr).toBe("a is already completed; nothing to do\n");
  const both = await at.run("a", ...rerun, "--keep-done", ...otherEcho);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("cannot be used with") });
});

test("a done file that was edited is counted and named, whatever --files names", async () => {
  const at = await done("a.js", "b.js", "c.js");
  await edit(at, "b.js");
  await writeFile(join(at.dir, "new.js"), "");
  const refused = await at.run("a", "--files", "a.js", "new.js", ...echo);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("sessionctl: 1 of 3 done files has changed: b.js\n");
  expect((await at.session()).pending_files).toEqual([]);
  const kept = await at.run("a", "--files", "new.js", "--keep-done", ...echo);
  expect(kept.stderr).toContain("1 of 3 done files has changed, and keeps its result: b.js\n");
  expect(await ran(at)).toEqual(["new.js"]);
  expect((await at.run("a", ...rerun, ...echo)).code).toBe(0);
  expect(await ran(at)).toEqual(["b.js"]);
  expect((await at.run("a", ...echo)).code).toBe(0);
});

test("of many edited files the first three are named, and how to see all of them is said once", async () => {
  const at = await done("a", "b", "c", "d", "e");
  for (const file of ["a", "b", "c", "d", "e"]) await edit(at, file);
  const refused = await at.run("a", ...echo);
  expect(refused.stderr).toContain("5 of 5 done files have changed: a, b, c and 2 more\n");
  expect(refused.stderr.match(/--explain/g)).toHaveLength(1);
  const kept = await at.run("a", "--keep-done", ...echo);
  expect(kept.stderr).toContain("a, b, c and 2 more (to see all: --dry-run --explain)\n");
  const shown = await at.run("a", "-n", "--explain", "--keep-done", ...echo);
  expect(shown.stderr).toContain("a, b, c and 2 more\n");
});

test("--explain says for each file which and why, also in a dry run, which is refused as well", async () => {
  const at = await done("a.js", "b.js");
  await edit(at, "b.js");
  const reason = "changed: size, done by another command";
  const dry = await at.run("a", "--dry-run", "--explain", ...otherEcho);
  expect(dry.code).toBe(2);
  expect(dry.stdout).toBe(
    "skip  a.js  (done by another command; --rerun-if changed runs it again)\n" +
      `skip  b.js  (${reason}; --rerun-if changed runs it again)\n`,
  );
  const told = await at.run("a", "--explain", ...otherEcho);
  expect(told.code).toBe(2);
  expect(told.stderr).not.toContain("to see which");
  expect(told.stderr).toContain(`skip  b.js  (${reason}; --rerun-if changed runs it again)\n`);
  const again = await at.run("a", "-n", "--explain", ...rerun, ...otherEcho);
  expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining(`run   b.js  (${reason})\n`) });
});

test("finding the failed, fixing and retrying is never refused, nor is editing what is pending", async () => {
  const at = await scene(["bad", "good", "later"]);
  const check = sh("echo $1 >> ran; [ $1 != bad ] || grep -q fixed $1");
  expect((await at.run("a", "--files", "*", "-j1", "--halt", "soon,done=2", ...check)).code).toBe(1);
  await edit(at, "later");
  await edit(at, "bad", "still wrong");
  expect((await at.run("a", ...check)).code).toBe(1);
  await edit(at, "bad", "fixed");
  expect((await at.run("a", "--retry-failed", ...check)).code).toBe(0);
  expect(await ran(at)).toEqual(["bad", "bad", "good", "later"]);
  expect((await at.session()).status).toBe("completed");
});

test("a retry of the failed files keeps what is done, for this once, also if the command was the mistake", async () => {
  const at = await scene(["bad", "good"]);
  const wrong = sh("[ $1 = good ]");
  const right = sh("echo $1 >> ran");
  expect((await at.run("a", "--files", "*", ...wrong)).code).toBe(1);
  await edit(at, "good");
  const good = resultOf(await at.session(), "good");
  const kept =
    "1 of 1 done file has changed, and keeps its result: good\n" +
    "1 of 1 done file is by another command, and keeps its result\n" +
    "to run them again too, add --rerun-if changed\n";

  const dry = await at.run("a", "-n", "--retry-failed", ...right);
  expect(dry).toMatchObject({ code: 0, stderr: expect.stringContaining(kept) });
  expect((await at.run("a", ...right)).code).toBe(2);
  const retried = await at.run("a", "--retry-failed", ...right);
  expect(retried).toMatchObject({ code: 0, stderr: expect.stringContaining(kept) });
  expect(await ran(at)).toEqual(["bad"]);
  const stored = await at.session();
  expect(stored.status).toBe("completed");
  expect(resultOf(stored, "good")).toEqual(good);

  // Every result tells its own command, so the next run asks again, and so does a retry of nothing.
  await writeFile(join(at.dir, "new"), "");
  for (const options of [[], ["--retry-failed"], ["--retry-failed", "--files", "new"]]) {
    const asked = await at.run("a", ...options);
    expect(asked.code).toBe(2);
    expect(asked.stderr).toContain("1 of 2 done files is by another command\n");
  }
  // One command for all is asked for.
  expect((await at.run("a", "--retry-failed", ...rerun)).code).toBe(0);
  expect(await ran(at)).toEqual(["good"]);
  expect((await at.run("a")).stderr).toContain("a is already completed; nothing to do\n");
});

test("a retry with another command that was interrupted goes on with the same command line", async () => {
  const at = await scene(["bad1", "bad2", "good"]);
  expect((await at.run("a", "-j1", "--files", "*", ...sh("[ $1 = good ]"))).code).toBe(1);
  const retry = ["a", "--retry-failed", "-j1", ...sh("echo $1 >> ran")];
  const halted = await at.run(...retry.toSpliced(1, 0, "--halt", "soon,done=1"));
  expect(halted.stderr).toContain("to continue: sessionctl run a --retry-failed\n");
  expect((await at.session()).pending_files).toEqual(["bad2"]);
  expect((await at.run("--retry-failed", "a")).code).toBe(0);
  expect(await ran(at)).toEqual(["bad1", "bad2"]);
});

test("what a formatter made of its file is unchanged, and so is what it had made it of", async () => {
  const at = await scene(["a", "b"]);
  const format = sh("grep -q formatted $1 || echo formatted >> $1");
  expect((await at.run("a", "--files", "*", ...format)).code).toBe(0);
  const result = resultOf(await at.session(), "a");
  expect(result).toMatchObject({ fingerprint: { size: 1 }, fingerprint_after: { size: 11 } });
  expect((await at.run("a", ...format)).stderr).toBe("a is already completed; nothing to do\n");
  // As a checkout does.
  await edit(at, "a", "a");
  expect((await at.run("a", ...format)).stderr).toBe("a is already completed; nothing to do\n");
  await edit(at, "a", "a thing");
  expect((await at.run("a", ...format)).stderr).toContain("1 of 2 done files has changed: a\n");
});

test("a result of a file that its command made, took away or left alone says so", async () => {
  const at = await scene(["kept", "taken"]);
  await writeFile(join(at.dir, "list"), "kept\ntaken\nmade\nnever\n");
  const command = sh("case $1 in made) echo > $1 ;; taken) rm $1 ;; esac");
  expect((await at.run("a", "--files-from", "list", ...command)).code).toBe(0);
  const stored = await at.session();
  expect(resultOf(stored, "kept")).not.toHaveProperty("fingerprint_after");
  expect(resultOf(stored, "made")).not.toHaveProperty("fingerprint");
  expect(resultOf(stored, "never")).not.toHaveProperty("fingerprint_after");
  const again = await at.run("a", ...command);
  expect(again.code).toBe(0);
  expect(again.stderr).toBe(
    "1 file is gone, and its result is kept: taken\n" +
      "1 item is not a file, so that no content can be compared: never\n" +
      "a is already completed; nothing to do\n",
  );
});

test("a result without a hash is said, and refuses nothing", async () => {
  const at = await done("a.js");
  await writeFile(join(at.dir, "b.js"), "");
  await at.ctl("reopen", "a");
  await at.ctl("progress", "a", "--processed", "b.js", "--results", '{"b.js": {"score": 1}}');
  const said = "because its result has no hash to compare: b.js\n";
  const again = await at.run("a", ...echo);
  expect(again).toMatchObject({
    code: 0,
    stderr: expect.stringContaining(`1 file may have changed, ${said}`),
  });
  expect((await at.run("a", ...rerun, ...echo)).stderr).toContain(`1 file runs again, ${said}`);
  expect(await ran(at)).toEqual(["b.js"]);
});

test("a command that changes other files of its run makes the next run ask about those", async () => {
  const at = await scene(["a", "b"]);
  const spoil = sh("[ $1 = a ] || echo more >> a");
  expect((await at.run("a", "--files", "*", "-j1", ...spoil)).code).toBe(0);
  expect((await at.run("a", ...spoil)).stderr).toContain("1 of 2 done files has changed: a\n");
});

test("an edit while the file's own command runs is taken for the work of the command", async () => {
  const at = await scene(["a"]);
  const wait = sh("touch began; until [ -e go ]; do sleep 0.01; done");
  const running = at.start("a", "--files", "a", ...wait);
  await eventually(async () => expect(await readFile(join(at.dir, "began"))).toHaveLength(0));
  await edit(at, "a");
  await writeFile(join(at.dir, "go"), "");
  expect((await running.ended).code).toBe(0);
  expect(resultOf(await at.session(), "a")).toHaveProperty("fingerprint_after.size", 9);
  expect((await at.run("a", ...wait)).code).toBe(0);
});

test("other --depends files, or other content of them, are refused like another command", async () => {
  const at = await scene(["a", "b", "prompt.md", "rules"]);
  const depends = ["--depends", "rules", "prompt.md"];
  expect((await at.run("a", "--files", "a", "b", ...depends, ...echo)).code).toBe(0);
  const { depends_hash } = resultOf(await at.session(), "a");
  expect(depends_hash).toMatch(/^[0-9a-f]{16}$/);
  // Order, spelling and repetition do not matter.
  const same = ["--depends", "./prompt.md", "--depends", join(at.dir, "rules"), "rules"];
  expect((await at.run("a", ...same, ...echo)).code).toBe(0);
  const said = "sessionctl: 2 of 2 done files are from before a change of the --depends files\n";
  expect(await at.run("a", "--depends", "rules", ...echo)).toMatchObject({ code: 2 });
  await edit(at, "prompt.md", "PROMPT.MD");
  const refused = await at.run("a", ...depends, ...echo);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
  expect((await at.run("a", ...rerun, ...depends, ...echo)).code).toBe(0);
  expect(await ran(at)).toEqual(["a", "a", "b", "b"]);
  // From now on the session remembers them.
  expect((await at.run("a")).code).toBe(0);
  await edit(at, "rules", "other rules");
  expect((await at.run("a")).code).toBe(2);
  await rm(join(at.dir, "rules"));
  expect((await at.run("a")).stderr).toContain(
    "rules does not exist; to do without it, give --depends or --no-depends\n",
  );
  expect((await at.run("a", ...rerun, "--no-depends")).code).toBe(0);
  expect(await at.run("a")).toMatchObject({ code: 0, stderr: "a is already completed; nothing to do\n" });
});

const none = { added: [], again: [], failedBefore: [], files: [] };

/** What another command needs to open the session, which remembers it. */
async function openingOf(at: Scene, selection: Partial<Opening["selection"]>): Promise<Opening> {
  return {
    client: at.daemon.client,
    id: "a",
    session: await at.session(),
    selection: { ...none, ...selection },
    needsResults: false,
    labels: {},
    run: { command: ["other", "{}"] },
    targetPath: at.dir,
    worker: "test",
    reconnectMs: 0,
  };
}

test("a run that cannot put done files back among the pending ones leaves them done, by a remembered command", async () => {
  const at = await done("a");
  const opening = await openingOf(at, { again: ["a"], files: ["a"] });
  vi.spyOn(at.daemon.client, "checkpointSession").mockRejectedValueOnce(new Error("killed"));
  await expect(openSession(opening)).rejects.toThrow("killed");
  expect(await at.session()).toMatchObject({
    ...{ status: "completed", processed_files: ["a"] },
    run: opening.run,
  });
  const opened = await openSession({ ...opening, session: await at.session() });
  expect(opened.session.worker.session.pending_files).toEqual(["a"]);
  await opened.session.worker.detach();
});

test("no file is added for a command that the session does not remember yet", async () => {
  const at = await done("a");
  vi.spyOn(at.daemon.client, "editSession").mockRejectedValueOnce(new Error("killed"));
  const opening = await openingOf(at, { added: ["b"], files: ["b"] });
  await expect(openSession(opening)).rejects.toThrow("killed");
  expect((await at.session()).pending_files).toEqual([]);
});

test("a --depends file that cannot be read is refused before anything starts", async () => {
  const at = await scene(["a"]);
  await mkdir(join(at.dir, "dir"));
  for (const [file, why] of [
    ["missing", "does not exist"],
    ["a/b", "does not exist"],
    ["dir", "is a directory; name the files in it"],
    ["/dev/null", "is not a regular file"],
  ] as const) {
    expect(await at.run("a", "--files", "a", "--depends", file, ...echo)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        `--depends: ${file.startsWith("/") ? file : join(at.dir, file)} ${why}\n`,
      ),
    });
  }
  expect((await at.ctl("list", "-q")).stdout).toBe("");
});

test("each result has the --depends files as its own command found them", async () => {
  const at = await scene(["a", "b", "c", "prompt"]);
  const depends = ["--depends", "prompt"];
  // The second command edits the prompt, and the third takes it away for a moment, as an editor may.
  const work = sh("case $1 in a) echo new > prompt ;; b) mv prompt aside ;; esac; echo $1 >> ran");
  expect((await at.run("a", "--files", "a", "b", "c", "-j1", ...depends, ...work)).code).toBe(0);
  await ran(at);
  const stored = await at.session();
  const [a, b, c] = ["a", "b", "c"].map((file) => resultOf(stored, file).depends_hash);
  expect([a === b, b === c]).toEqual([false, true]);
  await writeFile(join(at.dir, "prompt"), "new\n");
  const refused = await at.run("a", ...depends, ...work);
  expect(refused.stderr).toContain("1 of 3 done files is from before a change of the --depends files\n");
});
