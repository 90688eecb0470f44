/** Results as a table, JSON, lines of JSON and CSV: exact, and read back as they were. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonText } from "../../../src/cli/output.ts";
import { csvFormat } from "../../../src/cli/results/csv.ts";
import { jsonFormat, jsonLinesFormat, replyFormat } from "../../../src/cli/results/json.ts";
import { tableFormat } from "../../../src/cli/results/table.ts";
import { type JsonObject, type JsonValue, parseJson } from "../../../src/json/exact-json.ts";
import { jsonValue } from "../../support/arbitraries.ts";
import { runs } from "../../support/runs.ts";
import { selection, textOf } from "./selections.ts";

const fine = parseJson(
  '{"exit_code": 0, "duration_ms": 43.50, "attempts": 1, "stdout": {"issues": 3.0, "list": ["a", 1E2]}}',
);
const failed = parseJson('{"exit_code": 2, "stderr": "one, \\"two\\"\\nthree\\n", "duration_ms": 1000}');
const csv = csvFormat({ toTerminal: false });

/** RFC 4180, section 2, read back by hand: records end with CR LF, quoted fields may contain anything. */
function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  for (let at = 0; at < text.length; ) {
    const match = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/y;
    match.lastIndex = at;
    const found = match.exec(text);
    if (found === null) throw new Error(`no field at ${at}: ${JSON.stringify(text.slice(at, at + 50))}`);
    record.push(found[1]?.replaceAll('""', '"') ?? (found[2] as string));
    if (found[3] === "\r\n") {
      records.push(record);
      record = [];
    }
    at = match.lastIndex;
  }
  return records;
}

describe("csv", () => {
  test("has the usual columns, then those that are asked for, with values as they are", async () => {
    const text = await textOf(
      csv,
      selection(
        [
          ["a,b", fine],
          ["c", failed],
          ["d", null],
        ],
        "issues",
        "list",
        "/stderr",
      ),
    );
    expect(text).toBe(
      [
        "file,status,exit_code,duration_ms,attempts,finished_time,error,issues,list,/stderr",
        '"a,b",succeeded,0,43.50,1,,,3.0,"[""a"",1E2]",',
        'c,failed,2,1000,,,exit status 2: three,,,"one, ""two""\nthree\n"',
        "d,succeeded,,,,,,,,",
        "",
      ].join("\r\n"),
    );
  });

  test("leaves formulas as they are, and tells an empty text from none", async () => {
    const text = await textOf(
      csv,
      selection(
        [
          ["=1+1", { v: "" }],
          ["@x", { v: null }],
        ],
        "v",
      ),
    );
    expect(text.split("\r\n").slice(1)).toEqual(['=1+1,succeeded,,,,,,""', "@x,succeeded,,,,,,", ""]);
  });

  test("is read back as it was, whatever the texts are", async () => {
    const results = fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" })));
    await fc.assert(
      fc.asyncProperty(results, async (pairs) => {
        const text = await textOf(
          csv,
          selection(
            pairs.map(([file, value]) => [file, { value }]),
            "value",
          ),
        );
        const records = readCsv(text);
        expect(records.slice(1).map((record) => [record[0], record[7]])).toEqual(pairs);
        expect(new Set(records.map(({ length }) => length))).toEqual(new Set([8]));
      }),
      runs(100, 2000),
    );
  });
});

describe("json", () => {
  test("is what one document of all results would be", async () => {
    const results = fc.uniqueArray(fc.tuple(fc.string({ unit: "binary" }), jsonValue), {
      selector: ([key]) => key,
    });
    await fc.assert(
      fc.asyncProperty(results, async (pairs) => {
        // An object of JavaScript has keys that look like whole numbers first.
        const inOrder = pairs.filter(([file]) => !/^\d+$/.test(file));
        const all: JsonObject = Object.fromEntries(inOrder);
        expect(await textOf(jsonFormat, selection(inOrder))).toBe(`${jsonText(all)}\n`);
        const reply = { results: all, next_cursor: null, total: inOrder.length };
        expect(await textOf(replyFormat, selection(inOrder))).toBe(`${jsonText(reply)}\n`);
      }),
      runs(100, 2000),
    );
  });

  test("as lines has one object for each result, or its columns", async () => {
    const lines = async (...columns: string[]) =>
      (
        await textOf(
          jsonLinesFormat,
          selection(
            [
              ["a\u202e", fine],
              ["__proto__", 5],
            ],
            ...columns,
          ),
        )
      ).split("\n");
    expect(await lines()).toEqual([
      '{"file":"a\\u202e","status":"succeeded","result":{"exit_code":0,"duration_ms":43.50,"attempts":1,' +
        '"stdout":{"issues":3.0,"list":["a",1E2]}}}',
      '{"file":"__proto__","status":"succeeded","result":5}',
      "",
    ]);
    expect((await lines("issues", "list"))[0]).toBe(
      '{"file":"a\\u202e","status":"succeeded","exit_code":0,"duration_ms":43.50,"attempts":1,' +
        '"finished_time":null,"error":null,"issues":3.0,"list":["a",1E2]}',
    );
  });
});

describe("the table", () => {
  const plain = { paint: (_: unknown, text: string) => text };
  const long = `src/${"deep/".repeat(20)}last.js`;
  const results: [string, JsonValue][] = [
    [
      long,
      { ...(failed as JsonObject), stderr: "it has failed for a reason that takes a long sentence to tell" },
    ],
    ["b\u001b[31m", fine],
  ];

  test("fits into 80 columns, and shows the ends of long names", async () => {
    const lines = (await textOf(tableFormat({ width: 80, ...plain }), selection(results))).split("\n");
    expect(lines).toEqual([
      "STATUS     EXIT   TIME  FILE                         ERROR",
      "failed        2  1.0 s  src/deep/d…eep/deep/last.js  exit status 2: it has fail…",
      "succeeded     0  44 ms  b\\x1b[31m",
      "",
    ]);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("is not cut where no terminal limits it, and has the columns that are asked for", async () => {
    const text = await textOf(
      tableFormat({ width: Number.POSITIVE_INFINITY, ...plain }),
      selection(results, "issues", "nothing"),
    );
    const [header, first, second] = text.split("\n") as [string, string, string];
    expect(header).toMatch(/^STATUS +EXIT +TIME +FILE +issues +ERROR$/);
    expect(first).toContain(long);
    expect(second).toMatch(/b\\x1b\[31m +3\.0$/);
  });

  test("of nothing is nothing", async () => {
    expect(await textOf(tableFormat({ width: 80, ...plain }), selection([]))).toBe("");
  });
});
