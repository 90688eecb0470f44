/** Runs whose session is paused from elsewhere: they wait, attached, and go on when it is resumed. */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseJson, stringifyJson } from "../../src/json/exact-json.ts";
import type { Session } from "../../src/session/session.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { isLong } from "../support/runs.ts";
import { letGo, names, outcome, type Scene, scene, sceneOnWire, sceneWith, sh } from "./running-run.ts";

/** Says in `log` that it begins, and holds on until there is a file `go`. */
const patient = 'echo "$1" >> log; until [ -e go ]; do sleep 0.05; done';

/**
 * As another program changes a session: reads its file, which has all results, and puts another in its place.
 */
async function edit(at: Scene, change: (session: Session) => Partial<Session>): Promise<void> {
  const file = join(at.daemon.sessionsDir, "a.json");
  const session = await eventually(async () => {
    const stored = parseJson(readFileSync(file, "utf8")) as unknown as Session;
    expect(stored.processed_files).toEqual((await at.session()).processed_files);
    return stored;
  });
  writeFileSync(`${file}.new`, stringifyJson({ ...session, ...change(session) }));
  renameSync(`${file}.new`, file);
}

/** Starts a run with two commands at once, and has it held with two files done. */
async function held(at: Scene, ...options: string[]) {
  const run = at.start("a", "--files", "f*", "-j2", ...options, ...sh(patient));
  await eventually(() => expect(at.lines("log")).toHaveLength(2));
  expect(await at.ctl("pause", "a", "--reason", "lunch")).toMatchObject({
    code: 0,
    stderr: `a is paused; its worker "run ${run.host.pid}" finishes what it has begun\n`,
  });
  await eventually(() => expect(run.stderr()).toContain("a was paused (lunch): finishing 2 files"));
  letGo(at);
  await eventually(async () => expect((await at.session()).processed_files).toHaveLength(2));
  return run;
}

test("a paused run waits, is seen as held, and goes on with what is pending when it is resumed", async () => {
  const at = await scene(names(6));
  const run = await held(at);
  const { client } = at.daemon;
  expect((await at.ctl("list")).stdout).toContain("paused, held");
  expect((await at.ctl("show", "a")).stdout).toMatch(
    /Worker +run \d+: attached for \d+ s, held until the session/,
  );
  expect((await at.ctl("top", "--once")).stdout).toContain(`held: run ${run.host.pid}`);
  expect(await at.run("a")).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("waits; to let it go on: sessionctl resume a"),
  });
  // However old it is, nobody removes it.
  expect(await client.runCleanup("expired", { dry_run: true, max_age: "0s" })).toMatchObject({
    decisions: [{ session_id: "a", action: "keep", reason: "leased" }],
  });
  // Another program processes a file, requeues one and adds one.
  writeFileSync(join(at.dir, "new"), "");
  const [first] = (await at.session()).processed_files as [string];
  await edit(at, ({ processed_files, pending_files }) => ({
    processed_files: [...processed_files.slice(1), pending_files[0] as string],
    pending_files: [...pending_files.slice(1), first, "new"],
  }));
  await eventually(async () => expect((await at.session()).pending_files).toContain("new"));
  expect(at.lines("log")).toHaveLength(2);
  expect(await at.ctl("resume", "a")).toMatchObject({
    stderr: `a is running, 2 of 7 files done; its worker "run ${run.host.pid}" goes on\n`,
  });
  expect(await run.ended).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(
      /a was resumed after \d+s: 5 files to do\n(.*\n)*a is completed: 7 files done/,
    ),
  });
  expect(at.lines("log").slice(2).sort()).toEqual([first, "f3", "f4", "f5", "new"].sort());
  expect(await at.session()).toMatchObject({ status: "completed", pending_files: [] });
});

test("an edit of the session's file pauses and resumes a run as well", async () => {
  const at = await scene(names(4));
  const run = at.start("a", "--files", "f*", "-j1", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toHaveLength(1));
  await edit(at, () => ({ status: "paused", status_reason: "edited" }));
  await eventually(() => expect(run.stderr()).toContain("a was paused (edited)"));
  letGo(at);
  await eventually(async () => expect((await at.session()).processed_files).toEqual(["f0"]));
  await edit(at, () => ({ status: "running" }));
  expect((await run.ended).code).toBe(0);
  expect(at.lines("log")).toEqual(names(4));
});

test("Ctrl-C ends a held run at once, and its session stays paused for the same reason", async () => {
  const at = await scene(names(4));
  const run = await held(at, "--on-end", "echo hook: $SESSIOND_STATUS");
  run.kill("SIGINT");
  expect(await run.ended).toMatchObject({
    code: 130,
    stderr: expect.stringContaining("a stays paused: 2 files done, 2 left (interrupted)"),
  });
  expect(run.stderr()).toContain("hook: paused\n");
  expect(run.stderr()).not.toContain("press Ctrl-C again");
  expect(await at.session()).toMatchObject({ status: "paused", status_reason: "lunch" });
  expect((await at.ctl("show", "a")).stdout).toContain(
    "nobody works on it now; to go on: sessionctl run a\n",
  );
  expect(await at.ctl("resume", "a")).toMatchObject({
    stderr: "a is running, 2 of 4 files done\nnobody works on it now; to go on: sessionctl run a\n",
  });
  expect((await at.run("a")).code).toBe(0);
  expect(at.lines("log").sort()).toEqual(names(4));
});

test.runIf(isLong).each([
  ["complete", 1, "completed"],
  ["fail", 1, "failed"],
  ["delete", 4, undefined],
] as const)("a %s ends a held run", async (verb, code, status) => {
  const at = await scene(names(4));
  const run = await held(at);
  await at.ctl(verb, "a", ...(verb === "delete" ? ["--yes", "--force"] : ["--reason", "enough"]));
  expect((await run.ended).code).toBe(code);
  if (status !== undefined) expect(await at.session()).toMatchObject({ status, status_reason: "enough" });
});

test.runIf(isLong)(
  "a run with nothing left waits as well, and completes its session after the resume",
  async () => {
    const at = await scene(names(2));
    const run = await held(at);
    expect(await at.session()).toMatchObject({ status: "paused", pending_files: [] });
    expect(run.stderr()).not.toContain("2 files done");
    await at.ctl("resume", "a");
    expect((await run.ended).code).toBe(0);
    expect((await at.session()).status).toBe("completed");
  },
);

test("no further attempt begins during a pause", async () => {
  const at = await scene(names(1));
  const failsOnce = "[ -e went ] || { touch went; exit 1; }";
  const options = ["--retries", "3", "--progress", "json"];
  const run = at.start("a", "--files", "f0", ...options, ...sh(`${patient}; ${failsOnce}`));
  await eventually(() => expect(at.lines("log")).toHaveLength(1));
  await at.ctl("pause", "a");
  await eventually(() => expect(run.stderr()).toContain("a was paused"));
  letGo(at);
  await eventually(() =>
    expect(run.stderr()).toMatch(/"running":\[\],.*"paused":\{"reason":null,"for_ms":\d+\}/),
  );
  expect(at.lines("log")).toHaveLength(1);
  await at.ctl("resume", "a");
  expect((await run.ended).code).toBe(0);
  expect(at.lines("log")).toHaveLength(2);
});

test.runIf(isLong)("pauses and resumes in quick succession lose nothing and run nothing twice", async () => {
  const at = await scene(names(30));
  const run = at.start("a", "--files", "f*", "-j3", ...sh('echo "$1" >> log; sleep 0.05'));
  await eventually(() => expect(at.lines("log").length).toBeGreaterThan(2));
  for (let round = 0; round < 5; round++) {
    await at.ctl("pause", "a");
    await at.ctl("resume", "a");
  }
  expect((await run.ended).code).toBe(0);
  expect(at.lines("log").sort()).toEqual(names(30).sort());
});

test.runIf(isLong)("a held run that was cut off goes on when it finds the session resumed", async () => {
  const at = await sceneOnWire(names(4));
  const run = at.start("a", "--files", "f*", "-j2", "--reconnect", "20s", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toHaveLength(2));
  await at.daemon.client.pauseSession("a");
  await eventually(() => expect(run.stderr()).toContain("a was paused"));
  letGo(at);
  await eventually(async () => expect((await at.session()).processed_files).toHaveLength(2));
  at.wire.closed = true;
  at.wire.cut();
  await at.daemon.client.resumeSession("a");
  at.wire.closed = false;
  const { code, stderr } = await run.ended;
  // If it was away for longer than the grace, its session is paused by the daemon.
  expect(stderr).toContain(code === 0 ? "a was resumed after" : "lease");
});

test("--on-pause exit is remembered until another choice is given", async () => {
  const at = await scene(names(3));
  const all = ["--files", "f*", "-j1", "--on-pause", "exit", ...sh(patient)];
  for (const [round, args] of [all, []].entries()) {
    const run = at.start("a", ...args);
    await eventually(() => expect(at.lines("log")).toHaveLength(round + 1));
    await at.ctl("pause", "a");
    letGo(at);
    expect((await run.ended).code).toBe(1);
    rmSync(join(at.dir, "go"));
    if (round > 0) expect(run.stderr()).toContain("with --jobs 1 --on-pause exit");
  }
  letGo(at);
  expect((await at.run("a", "--on-pause", "hold")).code).toBe(0);
  expect((await at.session()).run).toMatchObject({ on_pause: "hold" });
});

test("a daemon that is killed while a run is held: the hold survives, and the resume reaches the run", async () => {
  const at = await sceneWith(await startDaemon(), names(5));
  const run = await at.startProcess("a", "--files", "f*", "-j2", ...sh(patient));
  await eventually(() => expect(at.lines("log")).toHaveLength(2));
  expect((await at.ctl("pause", "a")).code).toBe(0);
  await eventually(() => expect(run.stderr()).toContain("a was paused: finishing 2 files"));
  letGo(at);
  await eventually(async () => expect((await at.session()).processed_files).toHaveLength(2));
  at.daemon.kill("SIGKILL");
  await at.daemon.exited;
  await eventually(() => expect(run.stderr()).toContain("lost the connection"));
  const daemon = await at.daemon.restart();
  await eventually(() => expect(run.stderr()).toContain("reconnected"));
  expect(at.lines("log")).toHaveLength(2);
  expect(await daemon.client.getSummary("a")).toMatchObject({
    status: "paused",
    workers: [{ connected: true }],
  });
  expect((await at.ctl("resume", "a")).stderr).toContain("goes on");
  expect((await outcome(run)).code).toBe(0);
  expect(at.lines("log").sort()).toEqual(names(5));
});
