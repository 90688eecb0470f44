/** JUnit XML and HTML, read back by the parsers of Python, whatever a command has printed. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { htmlFormat } from "../../../src/cli/results/html.ts";
import { junitFormat } from "../../../src/cli/results/junit.ts";
import type { JsonValue } from "../../../src/json/exact-json.ts";
import { parseJson } from "../../../src/json/exact-json.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { selection, textOf } from "./selections.ts";

const python = ["python3", "/usr/bin/python3"].find((command) => spawnSync(command, ["-V"]).status === 0);
if (python === undefined && process.env.CI_RUN === "1") throw new Error("these tests need python3");
const reader = resolve(import.meta.dirname, "read-report.py");

async function readBack<T>(kind: "junit" | "html", text: string): Promise<T> {
  const file = join(await tempDir(), "report");
  writeFileSync(file, text);
  return JSON.parse(
    execFileSync(python as string, [reader, kind, file], { encoding: "utf8", maxBuffer: 2 ** 28 }),
  ) as T;
}

interface Element {
  name: string;
  attributes: Record<string, string>;
  text: string;
  children: Element[];
}

interface Page {
  elements: [name: string, attributes: Record<string, string | null>][];
  rows: string[];
  data: { statuses: string[]; rows: (string | number | null)[][] };
}

const failed = (more: object): JsonValue => ({
  exit_code: 1,
  duration_ms: 1500,
  stdout: "",
  stderr: "",
  ...more,
});
/** Everything that markup, terminals, XML and UTF-8 treat in a way of their own. */
const hostile = [
  "</script><script>alert(1)</script><!-- ]]> <![CDATA[ &amp; &#0; \"'`",
  "\u0000\u0001\u001b[31m\u007f\u0085\u2028\ud800x\udfff\ufffe\uffff\u202etxt\u2066\u{1f600}\u{10ffff}",
  "tab\tand\r\nlines\rof\n\nall kinds\n",
];
const hostileResults = hostile.map((text): [string, JsonValue] => [
  text,
  failed({ stdout: text, stderr: text }),
]);

describe.skipIf(python === undefined)("junit", () => {
  test("has the totals of what follows, and a message and the output for each failed file", async () => {
    const text = await textOf(
      junitFormat,
      selection([
        ["fine", parseJson('{"exit_code": 0, "duration_ms": 43}')],
        ["two", failed({ exit_code: 2, stderr: "usage\nbad option\n", stdout: "some" })],
        ["killed", failed({ exit_code: 137, signal: "SIGKILL", stdout: { issues: 3 } })],
        ["late", failed({ exit_code: 124, timed_out: true, timeout_ms: 5000 })],
        ["foreign", { error: "no parser", score: 1 }],
      ]),
    );
    const root = await readBack<Element>("junit", text);
    expect(root.attributes).toEqual({
      name: "nightly",
      tests: "5",
      failures: "1",
      errors: "3",
      time: "4.543",
    });
    const [suite] = root.children as [Element];
    expect(suite.attributes).toEqual({ ...root.attributes, skipped: "0" });
    const [properties, ...cases] = suite.children as [Element, ...Element[]];
    expect(properties.children.map(({ attributes }) => attributes)).toEqual([
      { name: "status", value: "completed" },
    ]);
    expect(
      cases.map(({ attributes: { name, classname, time }, children }) => [
        name,
        classname,
        time,
        children.length,
      ]),
    ).toEqual([
      ["fine", "nightly", "0.043", 0],
      ["two", "nightly", "1.500", 2],
      ["killed", "nightly", "1.500", 1],
      ["late", "nightly", "1.500", 1],
      ["foreign", "nightly", undefined, 1],
    ]);
    const told = cases
      .flatMap(({ children }) => children)
      .map(({ name, attributes, text }) => [name, attributes.message, text]);
    expect(told).toEqual([
      ["failure", "exit status 2: bad option", "usage\nbad option\n"],
      ["system-out", undefined, "some"],
      ["error", "killed by SIGKILL", '{\n  "issues": 3\n}'],
      ["error", "timed out after 5 s", ""],
      ["error", "no parser", '{\n  "error": "no parser",\n  "score": 1\n}'],
    ]);
  });

  test("has a file that is to be processed again as skipped", async () => {
    const of = selection([["a", failed({})]]);
    const rows = async function* () {
      yield [{ file: "a", status: "pending" as const, result: failed({}) }];
    };
    const root = await readBack<Element>("junit", await textOf(junitFormat, { ...of, rows, only: "a = 1" }));
    expect(root.attributes).toMatchObject({ tests: "1", failures: "0", errors: "0" });
    expect(root.children[0]?.attributes).toMatchObject({ skipped: "1" });
    expect(root.children[0]?.children[1]?.children[0]?.name).toBe("skipped");
    expect(root.children[0]?.children[0]?.children.map(({ attributes }) => attributes.name)).toContain(
      "only",
    );
  });

  test("is valid whatever a command has printed, and shows what XML cannot hold", async () => {
    const any = fc.string({ unit: "binary", maxLength: 60 });
    const odd = fc.sample(any, 200).map((text): [string, JsonValue] => [text, failed({ stderr: text })]);
    const root = await readBack<Element>(
      "junit",
      await textOf(junitFormat, selection([...hostileResults, ...odd])),
    );
    const cases = (root.children[0] as Element).children.slice(1);
    expect(cases).toHaveLength(hostile.length + odd.length);
    expect(cases[0]?.attributes.name).toBe(hostile[0]);
    expect(cases[0]?.children[0]?.text).toBe(hostile[0]);
    expect(cases[1]?.children[0]?.text).toContain(
      "\\x00\\x01\\x1b[31m\u007f\u0085\u2028\\ud800x\\udfff\\ufffe\\uffff\u202etxt",
    );
    expect(cases[2]?.attributes.name).toBe(hostile[2]);
    expect(cases[2]?.children[0]?.text).toBe(hostile[2]);
  });

  test("keeps the beginning and the end of a long output, and no pair is cut in two", async () => {
    const stderr = `begin ${"😀".repeat(20_001)} end`;
    const root = await readBack<Element>(
      "junit",
      await textOf(junitFormat, selection([["a", failed({ stderr })]])),
    );
    const text = root.children[0]?.children[1]?.children[0]?.text as string;
    expect(text).toMatch(/^begin 😀+\n\[… \d+ characters are left out …\]\n😀+ end$/u);
    expect(text.length).toBeLessThan(16_500);
  });
});

describe.skipIf(python === undefined)("html", () => {
  const pageOf = async (...args: Parameters<typeof selection>) => textOf(htmlFormat(), selection(...args));

  test("is a table with the failed files first, and the same rows as data", async () => {
    const { rows, data } = await readBack<Page>(
      "html",
      await pageOf(
        [
          ["fine", { exit_code: 0, duration_ms: 43, finished_time: "2026-01-01T00:00:00.500Z", issues: 3 }],
          ["bad", failed({ stderr: "no\n" })],
        ],
        "issues",
      ),
    );
    expect(rows).toEqual([
      expect.stringMatching(/^File.*Status.*Exit.*Time.*Attempts.*Finished \(UTC\).*issues/s),
      expect.stringMatching(/^badexit status 1: noOutputstderr\s+no\s+failed11\.5 s/),
      expect.stringMatching(/^fine.*succeeded043 ms2026-01-01 00:00:003/s),
    ]);
    expect(data.statuses).toEqual(["failed", "pending", "succeeded", "other"]);
    expect(data.rows).toEqual([
      ["fine", 2, "0", 43, "43 ms", "", "2026-01-01 00:00:00", "", expect.any(String), "", 1, "3"],
      ["bad", 0, "1", 1500, "1.5 s", "", "", "exit status 1: no", "", "no\n", 0, ""],
    ]);
  });

  test("loads nothing, and lets only its own script and style act", async () => {
    const text = await pageOf(hostileResults);
    const { elements, rows, data } = await readBack<Page>("html", text);
    expect(rows).toHaveLength(1 + hostile.length);
    expect(data.rows).toHaveLength(hostile.length);
    expect(elements.filter(([name]) => name === "script")).toHaveLength(2);
    for (const [, attributes] of elements) {
      for (const name of Object.keys(attributes))
        expect(name).not.toMatch(/^(?:on.*|src|href|style|action)$/);
    }
    const policy = elements.find(([, { "http-equiv": name }]) => name === "Content-Security-Policy")?.[1]
      .content;
    const hashes = [...text.matchAll(/<(?:script|style)>(.*?)<\/(?:script|style)>/gs)].map(([, inner]) =>
      createHash("sha256")
        .update(inner as string)
        .digest("base64"),
    );
    expect(hashes).toHaveLength(2);
    for (const hash of hashes) expect(policy).toContain(`'sha256-${hash}'`);
    expect(policy).toMatch(/^default-src 'none'; /);
    expect(policy).not.toContain("unsafe");
  });

  test("shows characters that control or hide, and keeps lines and tabs of outputs", async () => {
    const text = await pageOf(hostileResults);
    expect(text).not.toMatch(/[^\t\n\P{Cc}]|\p{Cs}|[\u2028\u202e\u2066]/u);
    const { rows, data } = await readBack<Page>("html", text);
    expect(rows[2]).toContain("\\x00\\x01\\x1b[31m\\x7f\\x85\\u2028\\ud800x\\udfff");
    expect(rows[2]).toContain("\\u202etxt\\u2066😀");
    expect(data.rows[2]?.[8]).toBe("tab\tand\nlines\\rof\n\nall kinds\n");
  });

  test("stays within its size: failed files come first, and rows before outputs", async () => {
    const results = Array.from({ length: 600 }, (_, at): [string, JsonValue] => [
      `file-${at}`,
      at % 3 === 0
        ? failed({ stderr: `${"x".repeat(400)}\nbad` })
        : { exit_code: 0, stdout: "y".repeat(300) },
    ]);
    const read = async (page: number) => {
      const text = await textOf(htmlFormat({ page, table: 20_000, tableRows: 10 }), selection(results));
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(page);
      const { data, rows } = await readBack<Page>("html", text);
      const count = (status: number) => data.rows.filter((row) => row[1] === status).length;
      const outputs = (status: number) =>
        data.rows.filter((row) => row[1] === status && row[8] !== null).length;
      return {
        rows: rows.length - 1,
        failed: [count(0), outputs(0)],
        succeeded: [count(2), outputs(2)],
        text,
      };
    };
    expect(await read(500_000)).toMatchObject({ rows: 10, failed: [200, 200], succeeded: [400, 400] });
    const some = await read(230_000);
    expect(some).toMatchObject({ failed: [200, 200], succeeded: [400, expect.any(Number)] });
    expect(some.succeeded[1]).toBeLessThan(400);
    expect(some.succeeded[1]).toBeGreaterThan(0);
    const bare = await read(150_000);
    expect(bare).toMatchObject({ failed: [200, expect.any(Number)], succeeded: [400, 0] });
    expect(bare.failed[1]).toBeLessThan(200);
    expect(bare.failed[1]).toBeGreaterThan(0);
    const few = await read(80_000);
    expect(few).toMatchObject({ failed: [200, 0] });
    expect(few.succeeded[0]).toBeLessThan(400);
    expect(few.text).toContain(`would be too large with ${400 - (few.succeeded[0] as number)} more results`);
  });
});
