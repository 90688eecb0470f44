/** Several runs that share one session: `sessionctl run --share`. */
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { letGo, names, resultOf, type Scene, type SceneDaemon, scene, sceneWith, sh } from "./running-run.ts";

/** Says in `log` that it begins, and holds on until there is a file `go`, or one for this file. */
const patient = 'echo "$1 $$" >> log; until [ -e go ] || [ -e "go-$1" ]; do sleep 0.05; done';
const untilGo = "until [ -e go ]; do sleep 0.02; done";
/** Fails for the files that are named in `bad`. */
const judged = 'echo "$1" >> log; ! grep -qx "$1" bad';
const quick = 'echo "$1" >> log';

function begun(at: Scene<SceneDaemon>): string[] {
  return at.lines("log").map((line) => line.split(" ")[0] as string);
}

/** How many files a run says that it has done itself. */
function ownPart(stderr: string): number {
  return Number(/(\d+) by this run\)/.exec(stderr)?.[1]);
}

async function workers(at: Scene): Promise<number> {
  return (await at.daemon.client.getSummary("a")).workers.filter(({ shared }) => shared).length;
}

/** Two runs with a command at work each. */
async function twoAtWork(at: Scene, ...options: string[]) {
  const first = at.start("a", "--share", "--files", "f*", "-j1", ...options, ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  const second = at.start("a", "--share", "-j1");
  await eventually(() => expect(begun(at)).toHaveLength(2));
  return [first, second] as const;
}

test("runs that start together share the files, each with its own -j, and end as the session ends", async () => {
  const at = await scene(names(40));
  const starts = ["-j1", "-j2", "-j3"].map((jobs) =>
    at.start("a", "--share", "--files", "f*", jobs, ...sh(`${untilGo}; ${quick}`)),
  );
  await eventually(async () => expect(await workers(at)).toBe(3));
  letGo(at);
  const ends = await Promise.all(starts.map(({ ended }) => ended));
  for (const { code, stderr } of ends) {
    expect(stderr).toContain("a is completed: 40 files done (");
    expect(code).toBe(0);
  }
  expect(begun(at).sort()).toEqual(names(40).sort());
  expect(ends.reduce((sum, { stderr }) => sum + ownPart(stderr), 0)).toBe(40);
  const session = await at.session();
  expect(session).toMatchObject({ status: "completed", pending_files: [] });
  expect(session.run).not.toHaveProperty("jobs");
  expect(session.run).not.toHaveProperty("mark");
});

test.runIf(isLong)("a run joins with the remembered command, and files of its own are added", async () => {
  const at = await scene([...names(4), "late"]);
  const [first, second] = await twoAtWork(at);
  expect(second.stderr()).toContain("going on with: sh -c");
  const third = at.start("a", "--share", "-j1", "--files", "late", "f*", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(3));
  expect(await workers(at)).toBe(3);
  letGo(at);
  for (const run of [first, second, third]) expect((await run.ended).code).toBe(0);
  expect(begun(at).sort()).toEqual([...names(4), "late"].sort());
});

test("a run that would do another work is refused, and told the difference", async () => {
  const at = await scene([...names(3), "prompt", "other"]);
  const first = at.start("a", "--share", "--files", "f*", "-j1", "--depends", "prompt", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  const refused = async (...args: string[]) => {
    const { code, stderr } = await at.run("a", "--share", ...args);
    expect(code).toBe(2);
    return stderr;
  };
  expect(await refused(...sh(quick))).toMatch(/the others run sh -c .*, and this run has sh -c /);
  expect(await refused("--cwd", "/")).toContain(`the others run in ${at.dir}, and this run in /`);
  expect(await refused("--no-depends")).toContain(
    "the others have --depends prompt, and this run has no --depends",
  );
  expect(await refused("--depends", "prompt", "other")).toContain("this run has --depends prompt other");
  expect(await workers(at)).toBe(1);
  // The same work in other words joins.
  const second = at.start("a", "--share", "--depends", "./prompt", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(2));
  letGo(at);
  for (const run of [first, second]) expect((await run.ended).code).toBe(0);
});

test.runIf(isLong)("a run without --share does not join, nor is one joined that has none", async () => {
  const at = await scene(names(2));
  const alone = at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(begun(at)).toHaveLength(1));
  expect(await at.run("a", "--share")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('has "a" to itself; to share the work, start that run with --share too'),
  });
  alone.kill("SIGINT");
  letGo(at);
  await alone.ended;
  rmSync(join(at.dir, "go"));
  const shared = at.start("a", "--share", "-j1");
  await eventually(() => expect(begun(at)).toHaveLength(2));
  expect(await at.run("a")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('a worker shares "a"; to join: sessionctl run --share a'),
  });
  letGo(at);
  expect((await shared.ended).code).toBe(0);
});

test("a budget is refused, given or remembered", async () => {
  const at = await scene(names(1));
  expect(await at.run("a", "--share", "--files", "f*", "--budget", "n=5", ...sh(quick))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--budget does not go with --share"),
  });
  expect((await at.run("a", "--files", "f*", "--budget", "duration_ms=0.001", ...sh(quick))).code).toBe(0);
  const joins = await at.run("a", "--share", "--rerun-if", "changed");
  expect(joins).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("to do without it, add --budget 'duration_ms=none'"),
  });
});

test("Ctrl-C leaves the session to the others, who do the rest", async () => {
  const at = await scene(names(6));
  const [first, second] = await twoAtWork(at);
  first.kill("SIGINT");
  await eventually(() =>
    expect(first.stderr()).toMatch(/then leaving the session to 1 other worker; to stop/),
  );
  writeFileSync(join(at.dir, `go-${begun(at)[0]}`), "");
  expect(await first.ended).toMatchObject({
    code: 130,
    stderr: expect.stringMatching(
      /a goes on with 1 other worker: 1 file done .*\(interrupted\)\nto join them again: sessionctl run a --share\n/,
    ),
  });
  expect(await at.session()).toMatchObject({ status: "running" });
  letGo(at);
  expect((await second.ended).code).toBe(0);
  expect(begun(at).sort()).toEqual(names(6).sort());
});

test.runIf(isLong)("the last run that leaves pauses the session", async () => {
  const at = await scene(names(4));
  const runs = await twoAtWork(at);
  for (const run of runs) {
    run.kill("SIGINT");
    run.kill("SIGINT");
  }
  for (const run of runs) expect((await run.ended).code).toBe(130);
  expect(await at.session()).toMatchObject({
    status: "paused",
    status_reason: "interrupted",
    pending_files: names(4),
  });
  expect((await at.session()).run).not.toHaveProperty("mark");
  letGo(at);
  expect(await at.run("a", "--share")).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("a is completed: 4 files done (4 by this run)"),
  });
});

test("a pause holds all, one that joins meanwhile too, and a resume lets them go on", async () => {
  const at = await scene(names(6));
  const runs = [...(await twoAtWork(at))];
  await at.ctl("pause", "a", "--reason", "lunch");
  runs.push(at.start("a", "--share", "-j1"));
  for (const run of runs) await eventually(() => expect(run.stderr()).toContain("a was paused (lunch): "));
  letGo(at);
  await eventually(async () => expect((await at.session()).processed_files).toHaveLength(2));
  expect(begun(at)).toHaveLength(2);
  expect(await workers(at)).toBe(3);
  await at.ctl("resume", "a");
  for (const run of runs) expect((await run.ended).code).toBe(0);
  expect(begun(at).sort()).toEqual(names(6).sort());
});

test.runIf(isLong)("files that failed make all runs fail, whoever ran them", async () => {
  const at = await scene(names(6));
  writeFileSync(join(at.dir, "bad"), "f1\nf4\n");
  const script = `${untilGo}; ${judged}`;
  const runs = [1, 2].map(() => at.start("a", "--share", "--files", "f*", "-j1", ...sh(script)));
  await eventually(async () => expect(await workers(at)).toBe(2));
  letGo(at);
  for (const run of runs) {
    const { code, stderr } = await run.ended;
    expect(stderr).toContain("a has failed: 4 files done (");
    expect(stderr).toContain("f1: exit status 1");
    expect(code).toBe(1);
  }
});

test("two runs that retry failed files at the same time run each once", async () => {
  const at = await scene(names(8));
  writeFileSync(join(at.dir, "bad"), `${names(8).join("\n")}\n`);
  await at.run("a", "--files", "f*", ...sh(judged));
  expect(begun(at)).toHaveLength(8);
  const retries = [1, 2, 3].map(() => at.start("a", "--share", "--retry-failed", "-j2"));
  for (const { ended } of retries) expect((await ended).code).toBe(1);
  expect(begun(at).slice(8).sort()).toEqual(names(8).sort());
  const later = await at.run("a", "--share", "--retry-failed", "-j2");
  expect(later.stderr).toContain("8 failed (8 by this run)");
  expect(begun(at)).toHaveLength(24);
});

test("--halt ends a run, too, that has begun after most of what was counted", async () => {
  const at = await scene(names(9));
  const script = `echo "$1" >> log; [ $(wc -l < log) -le 2 ] && exit 1; ${patient}; exit 1`;
  const first = at.start("a", "--share", "--halt", "now,fail=3", "--files", "f*", "-j1", ...sh(script));
  await eventually(() => expect(begun(at)).toHaveLength(4));
  const second = at.start("a", "--share", "-j1");
  await eventually(() => expect(begun(at)).toHaveLength(6));
  writeFileSync(join(at.dir, `go-${begun(at)[2]}`), "");
  for (const run of [first, second]) {
    const { code, stderr } = await run.ended;
    expect(stderr).toContain("left (3 files failed (--halt now,fail=3))");
    expect(code).toBe(1);
  }
});

test("--halt counts what all runs have finished, and ends them all", async () => {
  const at = await scene(names(30));
  // The first six fail, and whatever begins after them goes on for ever.
  const script = `${untilGo}; echo "$1" >> log; [ $(wc -l < log) -le 6 ] && exit 1; sleep 1000`;
  const options = ["--share", "--halt", "now,fail=5", "-j1"];
  const runs = [1, 2].map(() => at.start("a", ...options, "--files", "f*", ...sh(script)));
  await eventually(async () => expect(await workers(at)).toBe(2));
  letGo(at);
  for (const run of runs) {
    const { code, stderr } = await run.ended;
    expect(stderr).toMatch(/[56] files failed \(--halt now,fail=5\)/);
    expect(code).toBe(1);
  }
  const { status, processed_files } = await at.session();
  expect(status).toBe("paused");
  expect([5, 6]).toContain(processed_files.length);
});

test.runIf(isLong)(
  "after kill -9 only the files of that run run again, and its commands are gone before",
  async () => {
    const daemon = await startDaemon({ config: "worker: { reattach_grace: 10s }" });
    const at = await sceneWith(daemon, names(12));
    const first = await at.startProcess("a", "--share", "--files", "f*", "-j2", ...sh(patient));
    await eventually(() => expect(begun(at)).toHaveLength(2));
    const second = await at.startProcess("a", "--share", "-j1");
    await eventually(() => expect(begun(at)).toHaveLength(3));
    const inFlight = begun(at).slice(0, 2);
    first.kill("SIGKILL");
    await first.exited;
    letGo(at);
    expect(await second.exited).toMatchObject({ code: 0 });
    const again = begun(at);
    for (const file of inFlight) again.splice(again.indexOf(file), 1);
    expect(again.sort()).toEqual(names(12).sort());
    const session = await at.session();
    expect(session).toMatchObject({ status: "completed" });
    for (const file of names(12)) expect(resultOf(session, file)).toMatchObject({ exit_code: 0 });
    expect(existsSync(join(at.dir, "go"))).toBe(true);
  },
);
