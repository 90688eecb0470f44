/** `run --on-end`: a line that runs when the run has ended, however it did. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { isAlive, names, type Scene, scene, sceneOnWire, sh } from "./running-run.ts";

const variables = "$SESSIOND_STATUS $SESSIOND_EXIT_CODE $SESSIOND_DONE/$SESSIOND_FAILED/$SESSIOND_PENDING";
const line = `cat >> end.json; echo "$SESSIOND_EVENT $SESSIOND_SESSION ${variables} $SESSIOND_REASON" >> end`;
const onEnd = ["--on-end", line, "--progress", "none"];

const summaryOf = ({ dir }: Scene) => JSON.parse(readFileSync(join(dir, "end.json"), "utf8"));

it("tells what became of the run, without changing its exit code", async () => {
  const at = await scene(["a", "b"]);
  const { run, lines } = at;
  expect(await run("a", ...onEnd, "--files", "a", "b", ...sh("true"))).toMatchObject({ code: 0 });
  expect(lines("end")).toEqual(["run.ended a completed 0 2/0/0 "]);
  expect(summaryOf(at)).toEqual({
    kind: "run.ended",
    ...{ session_id: "a", status: "completed", reason: null, exit_code: 0 },
    ...{ done: 2, failed: 0, done_earlier: 0, failed_earlier: 0, pending: 0 },
  });
  // Nothing ran, so nothing ended.
  await run("a", ...onEnd, "--files", "a", "b", ...sh("true"));
  expect(lines("end")).toHaveLength(1);
  await run("b", ...onEnd, "--files", "a", "b", ...sh("[ $1 = a ]"));
  expect(lines("end").at(-1)).toBe("run.ended b failed 1 1/1/0 ");
  const halt = ["--halt", "now,fail=1", "-j1"];
  expect(await run("c", ...onEnd, ...halt, "--files", "a", "b", ...sh("exit 3"))).toMatchObject({ code: 1 });
  expect(lines("end").at(-1)).toBe("run.ended c paused 1 0/1/1 1 file failed (--halt now,fail=1)");
  const never = ["--halt", "0", "--files", "a", "b"];
  expect(await run("never", ...onEnd, ...never, ...sh("exit 3"))).toMatchObject({ code: 1 });
  expect(lines("end").at(-1)).toBe("run.ended never failed 1 0/2/0 ");
  const failing = await run("d", "--on-end", "echo out; exit 7", "--files", "a", "b", ...sh("true"));
  expect(failing).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringContaining("out\nsessionctl: the command of --on-end has failed: exit status 7\n"),
  });
  // The session is free by then, and remembers no such line.
  const next = ["--on-end", "cd /; ! sessionctl show e >/dev/null 2>&1; exit 0"];
  expect(await run("e", ...next, "--files", "a", ...sh("true"))).toMatchObject({ code: 0 });
  expect((await at.session("e")).run).not.toHaveProperty("on_end");
});

it("tells of an interrupted run, and of one that somebody else ended", async () => {
  const { start, lines, daemon } = await scene(names(3));
  const began = () => eventually(() => expect(lines("began").length).toBeGreaterThan(0));
  const files = ["-j1", "--files", "f*", ...sh("echo $1 >> began; until [ -e go ]; do sleep 0.05; done")];
  const first = start("a", ...onEnd, ...files);
  await began();
  first.kill("SIGINT");
  first.kill("SIGINT");
  expect(await first.ended).toMatchObject({ code: 130 });
  expect(lines("end")).toEqual(["run.ended a paused 130 0/0/3 interrupted"]);
  const second = start("a", ...onEnd, ...files);
  await eventually(() => expect(lines("began").length).toBeGreaterThan(1));
  await daemon.client.deleteSession("a", { force: true });
  second.kill("SIGINT");
  second.kill("SIGINT");
  await second.ended;
  expect(lines("end").at(-1)).toMatch(/^run\.ended a (deleted 4|\S* 130) 0\/0\/3 /);
});

it("tells of a run that has lost its connection", async () => {
  const at = await sceneOnWire(["x"]);
  const running = at.start(
    "a",
    ...onEnd,
    "--reconnect",
    "200ms",
    "--files",
    "x",
    ...sh("touch on; sleep 0.3"),
  );
  await eventually(() => expect(existsSync(join(at.dir, "on"))).toBe(true));
  at.wire.closed = true;
  at.wire.cut();
  expect(await running.ended).toMatchObject({ code: 3 });
  expect(at.lines("end")).toEqual([expect.stringMatching(/^run\.ended a {2}3 0\/0\/1 .+/)]);
  expect(summaryOf(at)).toMatchObject({ status: null, exit_code: 3 });
});

it("is ended by a signal", async () => {
  const { start, lines } = await scene(["x"]);
  const running = start("a", "--on-end", "echo $$ > pid; sleep 60 & wait", "--files", "x", ...sh("true"));
  await eventually(() => expect(lines("pid")).toHaveLength(1));
  running.kill("SIGTERM");
  expect(await running.ended).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("the command of --on-end has failed: killed by SIGTERM"),
  });
  expect(isAlive(Number(lines("pid")[0]))).toBe(false);
});
