/** What sessionctl prints and reads: text for terminals, tables, JSON, errors, documents, lists. */
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDocuments } from "../../src/cli/commands/import.ts";
import { progressText } from "../../src/cli/commands/show.ts";
import { complainAbout } from "../../src/cli/complaint.ts";
import { CommandError, exitCodeOf } from "../../src/cli/exit-code.ts";
import { createInput } from "../../src/cli/input.ts";
import { createOutput, jsonText } from "../../src/cli/output.ts";
import { facts, table } from "../../src/cli/table.ts";
import { displayWidth, safe, truncate } from "../../src/cli/terminal-text.ts";
import { ago, until } from "../../src/cli/time.ts";
import { ConnectionError, type ConnectionReason } from "../../src/client/http/connection-error.ts";
import { SessiondError } from "../../src/error.ts";
import { parseJson } from "../../src/json/exact-json.ts";
import { roughDuration } from "../../src/time/duration.ts";
import { anyString, jsonValue } from "../support/arbitraries.ts";

describe("text for a terminal", () => {
  it("controls nothing and hides nothing", () => {
    expect(safe("a\x1b[2Jb\n\tc\x9b\u202ed\u2066\ud800")).toBe(
      "a\\x1b[2Jb\\n\\tc\\x9b\\u202ed\\u2066\\ud800",
    );
    expect(safe("plain, сессия, 会議, 👩‍💻, e\u0301")).toBe("plain, сессия, 会議, 👩‍💻, e\u0301");
    fc.assert(
      fc.property(anyString, (text) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(safe(text)).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
  });

  it.each([
    ["abc", 3],
    ["会議", 4],
    ["한글", 4],
    ["ｆｕｌｌ", 8],
    ["e\u0301", 1],
    ["👩‍💻", 2],
    ["❤️", 2],
    ["🇩🇪", 2],
    ["a\u200db", 2],
    ["ключ", 4],
    // Vowel signs and conjuncts that are one character for people, and several columns.
    ["कि", 2],
    ["क्षि", 3],
    ["กำ", 2],
    ["\u1100\u1161\u11a8", 2],
    ["a\u00ad", 2],
    ["\u0600\u0661", 2],
  ])("has the width that a terminal gives it: %s", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it("is cut between characters", () => {
    expect(truncate("会議室", 6)).toBe("会議室");
    expect(truncate("会議室", 5)).toBe("会議…");
    expect(truncate("会議室", 4)).toBe("会…");
    expect(truncate("abc", 2)).toBe("a…");
  });
});

describe("tables", () => {
  const columns = [
    { title: "ID", cell: (row: string[]) => row[0] ?? "" },
    { title: "N", cell: (row: string[]) => row[1] ?? "", align: "right" as const },
    { title: "NOTE", cell: () => "" },
    { title: "TARGET", cell: (row: string[]) => row[2] ?? "", shrink: "end" as const },
  ];

  it("align wide characters and leave out empty columns", () => {
    expect(
      table(
        columns,
        [
          ["会議", "7", "src"],
          ["a", "1234", "a\nb"],
        ],
        Infinity,
      ),
    ).toEqual(["ID       N  TARGET", "会議     7  src", "a     1234  a\\nb"]);
  });

  it("cut one column to fit the terminal, and never the others", () => {
    const lines = table(columns, [["a-long-session-id", "1", "x".repeat(100)]], 40);
    expect(lines[1]).toBe(`a-long-session-id  1  ${"x".repeat(17)}…`);
    expect(table(columns, [["a-long-session-id", "1", "x".repeat(100)]], 10)[1]).toContain(
      "a-long-session-id",
    );
  });

  it("leave out facts without a value", () => {
    expect(
      facts([
        ["A", "1"],
        ["Name", undefined],
        ["Bcd", "2"],
      ]),
    ).toEqual(["A    1", "Bcd  2"]);
  });
});

describe("times", () => {
  const now = Date.parse("2026-01-02T03:04:05Z");
  it.each([
    ["2026-01-02T03:04:04Z", "just now"],
    ["2026-01-02T03:03:25Z", "40 s ago"],
    ["2026-01-02T02:00:00Z", "1 h ago"],
    ["2025-12-01T00:00:00Z", "32 d ago"],
    ["2026-01-02T03:14:05Z", "in the future?"],
    ["2027-02-06T03:14:05Z", "in the future?"],
    ["whenever", "whenever"],
  ])("what was at %s was %s", (time, said) => {
    expect(ago(time, now)).toBe(said);
  });

  it.each([
    ["2026-01-02T03:14:05Z", "in 10 min"],
    ["2026-01-02T03:04:07Z", "in 2 s"],
    ["2026-01-02T03:04:05Z", "now"],
    ["1970-01-02T03:00:00Z", "now"],
    ["whenever", "whenever"],
  ])("what is to come at %s comes %s", (time, said) => {
    expect(until(time, now)).toBe(said);
  });

  it("round durations", () => {
    expect([roughDuration(5), roughDuration(61_000), roughDuration(86_400_000 * 2.9)]).toEqual([
      "5 ms",
      "1 min",
      "2 d",
    ]);
  });
});

describe("JSON output", () => {
  it("is the value itself, without control characters", () => {
    fc.assert(
      fc.property(jsonValue, (value) => {
        const text = jsonText(value);
        expect(parseJson(text)).toEqual(value);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]/);
      }),
    );
  });
});

describe("exit codes", () => {
  const connection = (reason: ConnectionReason) => new ConnectionError(reason, "/s", "gone");
  it.each([
    [3, connection("missing")],
    [3, connection("refused")],
    [3, connection("closed")],
    [3, connection("not_sessiond")],
    [5, connection("not_permitted")],
    [124, connection("timed_out")],
    [4, new SessiondError("session_not_found", "")],
    [4, new SessiondError("session_deleted", "")],
    [2, new SessiondError("invalid_request", "")],
    [2, new SessiondError("invalid_session_id", "")],
    [1, new SessiondError("session_exists", "")],
    [1, new SessiondError("storage_full", "")],
    [3, new SessiondError("shutting_down", "")],
    [1, new SessiondError("toString" as "internal", "a code of a newer daemon")],
    [78, new CommandError("", 78)],
    [1, new TypeError("bug")],
  ])("%d", (code, error) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});

describe("complaints", () => {
  it.each([
    [
      new SessiondError("session_not_found", 'there is no session "x"'),
      'a: there is no session "x"; to see all sessions: sessionctl list\n',
    ],
    [new SessiondError("storage_full", "no space; free some"), "a: no space; free some\n"],
    [
      new SessiondError("internal", "broken", { outcome: "unknown" }),
      "a: broken; the change may have been made: check",
    ],
    [new SessiondError("later" as "internal", "a\x1bb"), "a: a\\x1bb\n"],
    [new TypeError("oops"), "a: this is a bug in sessionctl"],
  ])("say what went wrong and what to do next: %s", (error, said) => {
    const stderr = new PassThrough();
    const out = createOutput({ stdout: new PassThrough(), stderr, json: false, quiet: true });
    complainAbout(out, error, "a");
    expect(stderr.read().toString()).toContain(`sessionctl: ${said}`);
  });

  it("do not repeat an issue that the message contains", () => {
    const stderr = new PassThrough();
    const out = createOutput({ stdout: new PassThrough(), stderr, json: false, quiet: false });
    const issues = [
      { path: "a", message: "is missing" },
      { path: "b", message: "is missing" },
    ];
    complainAbout(out, new SessiondError("invalid_request", "bad: a: is missing (and 1 more)", { issues }));
    expect(stderr.read().toString()).toBe(
      "sessionctl: bad: a: is missing (and 1 more)\nsessionctl:   b: is missing\n",
    );
  });

  it("list issues that the message does not contain", () => {
    const stderr = new PassThrough();
    const out = createOutput({ stdout: new PassThrough(), stderr, json: false, quiet: false });
    const issues = [
      { path: "a", message: "one" },
      { path: "", message: "two" },
    ];
    complainAbout(out, new SessiondError("invalid_request", "bad; look", { issues }));
    expect(stderr.read().toString()).toBe("sessionctl: bad; look\nsessionctl:   a: one\nsessionctl:   two\n");
  });
});

describe("progress of a session", () => {
  it.each([
    [null, 0, 0, "none yet"],
    [0, 0, 3, "0 of 3 done  [····················] 0 %"],
    [0.999, 999, 1, "999 of 1000 done  [███████████████████·] 99 %"],
    [1, 3, 0, "3 of 3 done  [████████████████████] 100 %"],
  ])("%d", (progress, processed_count, pending_count, said) => {
    expect(progressText({ progress, processed_count, pending_count })).toBe(said);
  });
});

describe("documents to import", () => {
  const one = '{"session_id": "a", "n": 12345678901234567890}';
  const session = { session_id: "a", n: 12345678901234567890n };
  it.each([
    ["a document", one, [session]],
    ["an array", `[${one}, ${one}]`, [session, session]],
    ["one per line", `${one}\n\n${one}\n`, [session, session]],
  ])("can be %s", (_what, text, expected) => {
    expect(parseDocuments(text, "f")).toEqual(expected);
  });

  it.each([
    ["\n", "f is empty"],
    ['{"session_id": "a"', "f is not JSON"],
    [`${one}\n{broken`, "f:2 is not JSON"],
    ["[{}]", "f: document 1 is not a session"],
    ["3", "f: document 1 is not a session"],
  ])("are refused with their place: %j", (text, message) => {
    expect(() => parseDocuments(text, "f")).toThrow(message);
  });
});

const inputOf = (stdin: PassThrough) => createInput({ stdin, cwd: () => "/" });

describe("input", () => {
  it("reads standard input once, and lists with either separator", async () => {
    const stdin = (list: string) => {
      const stream = new PassThrough();
      stream.end(list);
      return inputOf(stream);
    };
    expect(await stdin("a b\nc\r\n\n\r\nd").list("-", "line")).toEqual(["a b", "c", "d"]);
    expect(await stdin("a b\nc\r\n\nd\0\0e").list("-", "zero")).toEqual(["a b\nc\r\n\nd", "e"]);
    await expect(stdin("a\0b").list("-", "line")).rejects.toThrow("add -0");
    const input = stdin("x");
    await input.text("-");
    await expect(input.text("-")).rejects.toThrow("only once");
  });

  it.each([
    ["line", "a\nb\n\xff\n", "line 3 of standard input is not UTF-8"],
    ["zero", "a\0\xffb\0", "name 2 of standard input is not UTF-8"],
  ] as const)("says where a list has a name that is not UTF-8: %j", async (separator, bytes, said) => {
    const stream = new PassThrough();
    stream.end(Buffer.from(bytes, "latin1"));
    await expect(inputOf(stream).list("-", separator)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining(said),
    });
  });

  it("refuses JSON that is not an object, and bytes that are not UTF-8", async () => {
    const stream = new PassThrough();
    stream.end(Buffer.from([0xff]));
    const input = inputOf(stream);
    await expect(input.object("[1]", "--results")).rejects.toMatchObject({ exitCode: 2 });
    await expect(input.object("{", "--results")).rejects.toMatchObject({ exitCode: 2 });
    await expect(input.object("@/nonexistent", "--results")).rejects.toThrow("cannot read /nonexistent");
    await expect(input.text("-")).rejects.toThrow("not UTF-8");
    expect(await input.object('{"a": 1}', "--results")).toEqual({ a: 1 });
  });
});
