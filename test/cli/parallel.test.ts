/** What `run` makes of the words of GNU parallel: every line of the tables in docs/parallel.md. */
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { tagged } from "../../src/cli/run/tag.ts";
import { startCommand } from "./in-process.ts";
import { names, scene, sh } from "./running-run.ts";

const page = readFileSync(resolve(import.meta.dirname, "../../docs/parallel.md"), "utf8");

/** The rows of the table below a heading, as pairs of cells. */
function rowsBelow(heading: string): [string, string][] {
  const part = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
  return [...part.matchAll(/^\| (`.*?) \| (.*) \|$/gm)].map((match) => [
    match[1] as string,
    match[2] as string,
  ]);
}

const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string);

/** The options that `run` reads from these words, as the help spells them. */
async function optionsOf(words: readonly string[]): Promise<Record<string, unknown>> {
  let read: Record<string, unknown> = {};
  const program = createProgram(
    () =>
      async (...args) => {
        const run = args.at(-1) as unknown as Command;
        const shown = run.options.filter(({ hidden }) => !hidden).map((option) => option.attributeName());
        const options: Record<string, unknown> = { ...program.opts(), ...run.opts() };
        // commander also keeps the names of what was only taken for another option.
        read = Object.fromEntries(
          [...shown, "timeout"].filter((name) => name in options).map((name) => [name, options[name]]),
        );
      },
    { out: () => {}, error: () => {} },
  );
  await program.parseAsync(["run", "a", ...words, "--", "cat"], { from: "user" });
  return read;
}

/** Words before the command and words after it. */
function around(typed: string): { before: string[]; after: string[] } {
  const words = typed.split(" ").filter((word) => word !== "");
  const at = words.findIndex((word) => word.startsWith(":::"));
  return at === -1 ? { before: words, after: [] } : { before: words.slice(0, at), after: words.slice(at) };
}

const taken = rowsBelow("Taken").map(([typed, meant]) => ({
  typed: codes(typed)[0] as string,
  /** Empty for what a run does anyway. */
  meant: meant.startsWith("(") ? "" : (codes(meant)[0] as string),
}));
const refused = rowsBelow("Not taken").flatMap(([typed, advice]) =>
  codes(typed).map((option) => ({ option, advice: advice.replaceAll("`", "").replaceAll("\\|", "|") })),
);

it("the page has its tables", () => {
  expect(taken.length).toBeGreaterThan(25);
  expect(refused.length).toBeGreaterThan(60);
});

describe("what is taken", () => {
  it.each(taken.filter(({ typed }) => !typed.startsWith(":::")))(
    "$typed means the same as: $meant",
    async ({ typed, meant }) => {
      expect(await optionsOf(around(typed).before)).toEqual(await optionsOf(around(meant).before));
    },
  );

  it("runs the same commands", async () => {
    const { run, dir } = await scene(["a", "b", "list", "sub/a", "sub/b"]);
    await writeFile(join(dir, "list"), "b\n");
    const preview = async (typed: string) => {
      const { before, after } = around(typed);
      const files = /list|:::|--files/.test(typed) ? [] : ["--files", "[ab]"];
      return run("s", "--dry-run", "--json", ...files, ...before, "--", "cat", ...after);
    };
    for (const { typed, meant } of taken) {
      const real = await preview(typed);
      if (typed.startsWith(":::")) expect([typed, real]).toEqual([typed, await preview(meant)]);
      expect([typed, real.code, real.stdout]).toEqual([typed, 0, expect.stringMatching(/"file":"b"/)]);
    }
  });
});

it.each(refused)("$option is not taken: $advice", async ({ option, advice }) => {
  const { code, stderr } = await startCommand(["run", "s", option, "3", "--", "cat"]).ended;
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `sessionctl: ${option} of GNU parallel is not taken here: ${advice}\n`,
  });
});

it("the page has every option that the help does not list", () => {
  const program = createProgram(() => async () => {}, { out: () => {}, error: () => {} });
  const run = program.commands.find((command) => command.name() === "run") as Command;
  const hidden = run.options.filter(({ hidden }) => hidden).flatMap(({ short, long }) => [short, long]);
  const described = [
    ...taken.flatMap(({ typed }) => typed.split(" ")),
    ...refused.map(({ option }) => option),
  ];
  expect(described).toEqual(expect.arrayContaining(hidden.filter((flag) => flag !== undefined)));
});

it("an option without its value does not take the -- for it", async () => {
  const { run, dir, ctl } = await scene(["a"]);
  for (const option of ["--files", "--joblog", "-j"]) {
    const refused = await run("s", option, ...sh("echo $1"), ":::", "a");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
  }
  expect((await ctl("list", "-q")).stdout).toBe("");
  expect(existsSync(join(dir, "--"))).toBe(false);
});

it("files after ::: are names, whatever they look like, and may be none of files", async () => {
  const { run, session } = await scene(["a", "*.txt", "-n", "d/-x", "-d/y"]);
  const files = ["*.txt", "-n", "-1", "d/-x", "-d/y", "a"];
  const { code, stdout } = await run("a", "-k", ...sh("echo $1"), ":::", ...files);
  // What is there and begins with a dash is no option for the command.
  expect({ code, stdout }).toEqual({ code: 0, stdout: "*.txt\n./-n\n-1\nd/-x\n./-d/y\na\n" });
  expect([...(await session()).processed_files].sort()).toEqual([...files].sort());
  // The same file under its other name.
  expect((await run("a", "--files", "./-n", "--", "cat")).stderr).toMatch(/runs as -n/);
});

it("a file that begins with a dash is protected in each form, and under the shell", async () => {
  const { run } = await scene(["-n.js"]);
  const forms = await run("a", "--files", "*.js", "--", "echo", "{}", "{.}", "{//}", "{/}", "x{}");
  expect(forms.stdout).toBe("./-n.js ./-n . -n.js x./-n.js\n");
  expect((await run("b", "--files", "*.js", "--shell", "--", "cat < {} && cat {}")).stdout).toBe(
    "-n.js-n.js",
  );
  expect((await run("c", "--dry-run", "--files", "*.js", "--", "cat")).stdout).toBe("cat ./-n.js\n");
});

it("files from several places are one list, and lists are not combined", async () => {
  const { run, dir } = await scene(["a", "b", "c"]);
  await writeFile(join(dir, "one"), "a\n");
  await writeFile(join(dir, "two"), "b\na\n");
  expect((await run("a", "-k", "--files", "c", "--", "cat", "::::", "one", "two")).stdout).toBe("cab");
  for (const words of [
    [":::", "a", ":::", "b"],
    [":::+", "a"],
    ["::::", "one", ":::", "b"],
    [":::", ""],
    ["::::"],
  ])
    expect(await run("b", "--", "cat", ...words)).toMatchObject({ code: 2, stdout: "" });
  const { stderr } = await run("b", "--", "cat");
  expect(stderr).toContain(
    "with --files-from FILE (- for standard input), or by name at the end: ::: FILE...",
  );
  expect(await run("b", "--", "cat", ":::")).toMatchObject({ code: 1, stdout: "" });
});

it("files after ::: join a session that remembers its command, without --", async () => {
  const { run, session } = await scene(["a", "b"]);
  await run("a", "--", "cat", ":::", "a");
  expect(await run("a", ":::", "b")).toMatchObject({ code: 0, stdout: "b" });
  expect((await session()).processed_files).toEqual(["a", "b"]);
  expect(await run("cat", "{}", ":::", "a")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("the command comes after --"),
  });
});

it("a time limit without a unit is in seconds", async () => {
  const { run, session } = await scene(["x"]);
  const limited = await run("a", "--files", "x", "--timeout", "0.3", ...sh("sleep 30"));
  expect(limited).toMatchObject({ code: 1 });
  expect((await session()).partial_results.x).toMatchObject({ timed_out: true, timeout_ms: 300 });
  expect(await run("a", "--timeout", "5m", "--", "cat")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("write 5min for minutes"),
  });
});

it("waits between two starts", async () => {
  const { run, lines, session } = await scene(names(4));
  expect(
    await run("a", "-j4", "--delay", "0.2", "--files", "f*", ...sh("date +%s%N >> starts")),
  ).toMatchObject({ code: 0 });
  const starts = lines("starts").map((time) => Number(time) / 1e6);
  // The shell takes its time to read the clock.
  expect((starts.at(-1) as number) - (starts[0] as number)).toBeGreaterThan(450);
  expect((await session()).run).toMatchObject({ delay: "200ms" });
  const automatic = await run("a", "--delay", "1auto", "--", "cat");
  expect(automatic).toMatchObject({ code: 2, stderr: expect.stringContaining("Write a fixed time.") });
});

it("with -j 0 all files run at once", async () => {
  const { run } = await scene(names(12));
  const script = "touch $1.on; until set -- *.on; [ $# = 12 ]; do sleep 0.1; done";
  expect(await run("a", "-j", "0", "--files", "f*", ...sh(script))).toMatchObject({ code: 0 });
});

describe("a line for a shell", () => {
  it("is recognised before anything runs", async () => {
    const { run, ctl } = await scene(["x"]);
    for (const [command, advice] of [
      [["cat {} | wc -l"], "--shell -- 'cat {} | wc -l'"],
      [["wc -l"], "--shell -- 'wc -l'"],
      [["wc -l", "{}"], "--shell -- 'wc -l {}'"],
      [["wc -l *.js"], "--shell -- 'wc -l *.js'"],
      [["cat<{}"], "--shell -- 'cat<{}'"],
      [["LC_ALL=C", "sort", "a"], "--shell -- 'LC_ALL=C sort a'"],
      [["cd", "{//}", "&&", "ls"], "--shell -- 'cd {//} && ls'"],
      [["./{} --check"], "--shell -- './{} --check'"],
    ] as const) {
      expect(await run("a", "--files", "x", "--", ...command)).toEqual({
        code: 2,
        stdout: "",
        stderr: expect.stringContaining(`to run a shell command line, add --shell: ${advice}`),
      });
    }
    expect(await ctl("list", "-q")).toMatchObject({ stdout: "" });
  });

  it("is not what a program is, whatever its name", async () => {
    const { run, dir } = await scene(["x", "x y"]);
    for (const name of ["my tool", "a|b", "cd", "A=1", "x y.sh"]) {
      await writeFile(join(dir, name), '#!/bin/sh\necho "$0"\n', { mode: 0o755 });
    }
    for (const program of ["./my tool", "./a|b", "./cd", "./A=1"])
      expect(
        await run("a", "--rerun-if", "changed", "--dry-run", "--files", "x", "--", program),
      ).toMatchObject({
        code: 0,
      });
    expect(await run("b", "--files", "x", "--", "./my tool")).toMatchObject({
      code: 0,
      stdout: "./my tool\n",
    });
    expect(await run("c", "--files", "x y", "--", "./{}.sh")).toMatchObject({
      code: 0,
      stdout: "./x y.sh\n",
    });
    const plain = await run("d", "--files", "x", "--", "echo", "{}", "|", "wc", "{#}");
    expect(plain).toMatchObject({ code: 0, stdout: "x | wc {#}\n" });
    expect(plain.stderr).toContain("the command gets | as a plain word; for a pipe");
    expect(plain.stderr).toContain("{#} is not replaced; placeholders are {} {.} {/} {//} {/.}");
  });
});

describe("--tag", () => {
  it("begins each line of both streams with the name of its file", async () => {
    const { run } = await scene(["a b", "c\nd"]);
    const script = "printf 'one\\ntwo'; printf 'e1\\n\\ne2\\n' >&2";
    const files = ["--files", "*", "-k", "-j1", "--progress", "none", "--tag"];
    const { stdout, stderr } = await run("a", ...files, ...sh(script));
    expect(stdout).toBe("a b\tone\na b\ttwo\nc\\nd\tone\nc\\nd\ttwo\n");
    expect(stderr).toContain("a b\te1\na b\t\na b\te2\nc\\nd\te1\n");
    // The result has the output as it is.
    const json = await run("b", ...files, "--json", ...sh(script));
    expect(JSON.parse(json.stdout.split("\n")[0] as string)).toMatchObject({
      file: "a b",
      stdout: "one\ntwo",
    });
    expect((await run("c", ...files, "-q", ...sh(script))).stdout).toBe("c\n");
    expect((await run("d", ...files, ...sh("true"))).stdout).toBe("");
  });

  it("keeps every byte, and begins a line after each line break and each return", () => {
    const tag = (text: string) =>
      Buffer.concat([...tagged(Buffer.from(text, "latin1"), "t")]).toString("latin1");
    expect(tag("")).toBe("");
    expect(tag("\n")).toBe("t\t\n");
    expect(tag("a\r\nb")).toBe("t\ta\r\nt\tb\n");
    expect(tag("1%\r2%\r")).toBe("t\t1%\rt\t2%\r\n");
    expect(tag("\xff\0\n\x80")).toBe("t\t\xff\0\nt\t\x80\n");
    const lines = fc.string({ unit: fc.constantFrom("a", "\n", "\r", "\0", "\xff"), maxLength: 50 });
    fc.assert(
      fc.property(lines, (text) => {
        const untagged = tag(text).replace(/(^|\n|\r(?!\n))t\t/g, "$1");
        expect(untagged).toBe(/[^\n]$/.test(text) ? `${text}\n` : text);
      }),
    );
    const large = "x\n".repeat(100_000);
    expect([...tagged(Buffer.from(large), "t")].length).toBeGreaterThan(2);
    expect(tag(large)).toBe("t\tx\n".repeat(100_000));
  });
});
