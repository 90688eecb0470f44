/** What `sessionctl run` does when commands say "not now", and before a retry. */
import { expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { resultOf, scene, sh } from "./running-run.ts";

/** Refuses each file until there is a file `ok`. */
const untilOk = 'test -e ok && exit 0; echo "$1" >>tried; echo "< Retry-After: 600" >&2; exit 75';

test("a refused file is tried again behind the others, when its service wants it", async () => {
  const { run, session, lines } = await scene(["a", "b", "c"]);
  const script =
    'echo "$1" >>tried; if [ "$1" = a ] && mkdir once; then echo "Retry-After: 0.3" >&2; exit 75; fi';
  const { code, stderr } = await run("a", "--files", "[abc]", "-j1", "--joblog", "log", ...sh(script));
  expect([code, lines("tried")]).toEqual([0, ["a", "b", "c", "a"]]);
  expect(stderr).toContain("a: not now (exit status 75); the run slows down, and tries again later\n");
  const stored = await session();
  expect(stored).toMatchObject({ status: "completed", processed_files: ["b", "c", "a"] });
  expect(resultOf(stored, "a")).toMatchObject({ exit_code: 0, attempts: 1, deferred: 1 });
  expect(resultOf(stored, "b")).not.toHaveProperty("deferred");
});

test("nothing for too long pauses the session and ends the run with 1; the same command goes on", async () => {
  const { run, session, lines } = await scene(["a", "b"]);
  const ended = await run("a", "--files", "[ab]", "-j1", "--max-defer", "200ms", ...sh(untilOk));
  expect(ended.code).toBe(1);
  const why = "nothing has succeeded for 200ms: not now (exit status 75; --max-defer 200ms)";
  expect(ended.stderr).toContain(`a is paused: 0 files done, 2 left (${why})\n`);
  expect(lines("tried")).toEqual(["a", "b"]);
  expect(await session()).toMatchObject({ status: "paused", status_reason: why, pending_files: ["a", "b"] });
  const again = await run("a", "--defer-on", "none", "--max-defer", "24h");
  expect(again.stderr).toContain("2 failed");
  expect((await session()).run).toMatchObject({ defer_on: "none", max_defer: "1d" });
});

test("an interrupted wait ends at once, and its file is pending", async () => {
  const { start, session, lines } = await scene(["a", "b"]);
  const running = start("a", "--files", "[ab]", "-j1", "--progress", "json", ...sh(untilOk));
  await eventually(() => expect(lines("tried")).toEqual(["a"]));
  await eventually(() => expect(running.stderr()).toContain('"waiting_for":"not now, Retry-After"'));
  running.kill("SIGINT");
  expect(await running.ended).toMatchObject({ code: 130 });
  expect(await session()).toMatchObject({ status: "paused", pending_files: ["a", "b"] });
});

test("after kill -9 in a wait, the same command goes on with all files", async () => {
  const { startProcess, run, session, lines } = await scene(["a", "b"]);
  const args = ["a", "--files", "[ab]", "-j1", ...sh(untilOk)];
  const killed = await startProcess(...args);
  await eventually(() => expect(lines("tried")).toEqual(["a"]));
  killed.kill("SIGKILL");
  await killed.exited;
  expect((await session()).pending_files).toEqual(["a", "b"]);
  expect(await run("a", ...sh("exit 0"))).toMatchObject({ code: 0 });
  expect(await session()).toMatchObject({ status: "completed", pending_files: [] });
});

test("a failed file is tried again after a delay, while others run; output keeps its order", async () => {
  const { run, session, lines } = await scene(["a", "b", "c"]);
  const script = 'echo "$1" >>tried; echo "out $1"; [ "$1" != a ] || ! mkdir once';
  const args = ["a", "--files", "[abc]", "-j1", "-k", "--retries", "1", "--retry-delay", "0.3"];
  const { code, stdout } = await run(...args, ...sh(script));
  expect([code, stdout]).toEqual([0, "out a\nout b\nout c\n"]);
  expect(lines("tried")).toEqual(["a", "b", "c", "a"]);
  expect(resultOf(await session(), "a")).toMatchObject({ exit_code: 0, attempts: 2 });
});

test("a pause ends the wait for a retry: after the resume, the file begins anew", async () => {
  const { start, ctl, session, lines } = await scene(["a"]);
  const args = ["a", "--files", "a", "-j1", "--retries", "1", "--retry-delay", "10min", "--progress", "json"];
  const running = start(...args, ...sh('echo "$1" >>tried; ! mkdir once'));
  await eventually(() => expect(running.stderr()).toContain('"waiting_for":"before the next attempt"'));
  expect((await ctl("pause", "a")).code).toBe(0);
  await eventually(() => expect(running.stderr()).toMatch(/"waiting_for":null.*"paused":\{/));
  expect((await ctl("resume", "a")).code).toBe(0);
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(lines("tried")).toEqual(["a", "a"]);
  expect(resultOf(await session(), "a")).toMatchObject({ attempts: 1 });
});
