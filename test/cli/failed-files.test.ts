/** Failed files are named, with the reason: by a run at its end, by show and by results. */
import { expect, test } from "vitest";
import { parseJson } from "../../src/json/exact-json.ts";
import { commandLine } from "./command-line.ts";
import { names, scene, sh } from "./running-run.ts";

const lines = (text: string) => text.split("\n");

test("the end of a run names the failed files with the reasons, and shows how to get the rest", async () => {
  const { run, ctl } = await scene(["fine", "killed", "late", "two"]);
  const script = [
    "case $1 in fine) ;;",
    "killed) kill -9 $$;;",
    "late) echo working >&2; exec sleep 60;;",
    "two) echo usage >&2; printf 'bad \\033[31moption\\n' >&2; exit 2;; esac",
  ].join(" ");
  const { code, stderr } = await run(
    ...["a", "--files", "*", "-j4", "--timeout", "500ms", "-q", "--progress", "none", ...sh(script)],
  );
  expect([code, stderr]).toEqual([1, ""]);
  // Once more without -q, which says nothing.
  const again = await run("a", "--files", "*", "--keep-done", ...sh("true"));
  const failures = [
    "  killed: killed by SIGKILL",
    "  late: timed out after 500 ms: working",
    "  two: exit status 2: bad \\x1b[31moption",
  ];
  expect(again.code).toBe(1);
  expect(
    lines(again.stderr)
      .filter((line) => line.startsWith("  "))
      .sort(),
  ).toEqual(failures);

  const retried = await run(
    "a",
    "--retry-failed",
    "--keep-done",
    "-j1",
    "--progress",
    "none",
    ...sh("[ $1 = late ] || exit 3"),
  );
  expect(retried.code).toBe(1);
  expect(lines(retried.stderr)).toEqual(
    expect.arrayContaining([
      "  killed: exit status 3",
      "  two: exit status 3",
      "for the results: sessionctl results a --failed",
      "to run the failed files again: sessionctl run a --retry-failed",
    ]),
  );
  expect(retried.stderr).not.toContain("  late:");
  const results = parseJson((await ctl("results", "--failed", "a")).stdout);
  expect(Object.keys(results as object).sort()).toEqual(["killed", "two"]);
});

test("ten failed files are named, those of this run first, and the command for all of them works", async () => {
  const { run, ctl, session } = await scene(names(12));
  const first = await run("a", "--files", "f*", "-j1", "--halt", "soon,done=11", ...sh("exit 1"));
  expect(lines(first.stderr).filter((line) => line.startsWith("  f"))).toHaveLength(10);
  expect(first.stderr).toContain("  and 1 other; for all: sessionctl results a --failed --format table\n");
  const [left] = (await session()).pending_files;
  const second = await run("a", ...sh("exit 2"));
  expect(lines(second.stderr).find((line) => line.startsWith("  f"))).toBe(`  ${left}: exit status 2`);
  expect(second.stderr).toContain("  and 2 others; for all: sessionctl results a --failed --format table\n");
  const all = await ctl("files", "--state", "failed", "a");
  expect(lines(all.stdout).slice(0, -1)).toEqual([...(await session()).processed_files]);
  const page = await ctl("files", "--state", "failed", "--limit", "5", "--json", "a");
  expect(parseJson(page.stdout)).toMatchObject({ files: { length: 5 }, total: 12 });
});

test("show and results name the failed files of any tool, and --json stays as it is", async () => {
  const { feed, run } = await commandLine();
  await feed("x\ny\nz\n", "create", "src", "--id", "a", "--files-from", "-");
  const results = { x: { error: "no such file\n" }, y: { score: 1 }, z: { error: 2 } };
  await run("progress", "a", "--processed", "x", "y", "z", "--results", JSON.stringify(results));
  expect(lines((await run("show", "a")).stdout).slice(-3)).toEqual([
    "1 file failed; for the results: sessionctl results a --failed",
    "  x: no such file",
    "",
  ]);
  expect(parseJson((await run("show", "a", "--json")).stdout)).not.toHaveProperty("failed");
  const whole = await run("results", "a");
  expect(parseJson(whole.stdout)).toEqual(results);
  expect(whole.stderr).toBe("1 file failed:\n  x: no such file\n");
  expect(await run("results", "a", "--json")).toMatchObject({
    stdout: expect.stringContaining('"total": 3'),
  });
  expect(parseJson((await run("results", "a", "--failed", "--limit", "1")).stdout)).toEqual({ x: results.x });
  expect((await run("files", "a", "--state", "failed")).stdout).toBe("x\n");
});
