/** What is kept of the output of commands, where all of it goes, and in which order it is released. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Captured, type Output } from "../../src/runner/captured.ts";
import { lineText } from "../../src/runner/joblog.ts";
import { KeepOrder } from "../../src/runner/keep-order.ts";
import { fileResult } from "../../src/runner/result.ts";
import { directoryName } from "../../src/runner/result-files.ts";

function captured(limit: number, chunks: readonly string[]): Output {
  const capture = new Captured(limit);
  for (const chunk of chunks) capture.push(Buffer.from(chunk));
  return capture.output();
}

test("all of an output is kept up to the limit, else its beginning and end", () => {
  expect(captured(10, ["01234", "56789"])).toMatchObject({ truncated: false, total: 10 });
  const cut = captured(10, ["01234567", "89abcd", "ef"]);
  expect(cut.bytes.toString()).toBe("01234\n… 6 bytes left out …\nbcdef");
  expect(cut).toMatchObject({ truncated: true, total: 16 });
});

test("the chunks of the output do not matter", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary-ascii" })),
      fc.integer({ min: 2, max: 20 }),
      (chunks, limit) => {
        const { bytes, total, truncated } = captured(limit, chunks);
        const all = chunks.join("");
        expect(total).toBe(all.length);
        expect(truncated).toBe(all.length > limit);
        const tail = Math.floor(limit / 2);
        const cut = `${all.slice(0, limit - tail)}\n… ${all.length - limit} bytes left out …\n${all.slice(all.length - tail)}`;
        expect(bytes.toString()).toBe(truncated ? cut : all);
      },
    ),
  );
});

function resultOf(stdout: string | Buffer, truncated = false) {
  const output = (bytes: Buffer): Output => ({ bytes, total: bytes.length, truncated });
  const ended = {
    exitCode: 0,
    signal: undefined,
    timedOut: false,
    error: undefined,
    durationMs: 1.4,
    stdout: output(Buffer.from(stdout)),
    stderr: output(Buffer.alloc(0)),
  };
  return fileResult({
    ended,
    timeoutMs: undefined,
    attempts: 1,
    deferred: 0,
    finishedMs: 0,
  });
}

test("objects and arrays are parsed, and nothing else", () => {
  expect(resultOf(' [1, {"big": 12345678901234567890}]\n').stdout).toEqual([
    1,
    { big: 12345678901234567890n },
  ]);
  expect(resultOf('{"a": 1}').stdout).toEqual({ a: 1 });
  for (const text of [
    "42\n",
    '"a"',
    "null",
    "{",
    '{"a": 1}\n{"a": 2}\n',
    '{"a": 1, "a": 2}',
    "[".repeat(80) + "]".repeat(80),
  ]) {
    expect(resultOf(text).stdout).toBe(text);
  }
  expect(resultOf("[1]", true).stdout).toBe("[1]");
});

test("bytes that are not UTF-8 are replaced, and the result says so", () => {
  expect(resultOf(Buffer.from([0x61, 0xff]))).toMatchObject({ stdout: "a\ufffd", invalid_utf8: true });
  expect(resultOf("\ufeffä")).not.toHaveProperty("invalid_utf8");
  expect(resultOf("\ufeffä").stdout).toBe("\ufeffä");
});

test("items are released in order, whatever order they come in", () => {
  const orders = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 });
  fc.assert(
    fc.property(orders, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), (order, isThere) => {
      const queue = new KeepOrder<number>();
      const out = order.flatMap((place) => queue.put(place, isThere[place] ? place : undefined, 1));
      expect(out).toEqual([0, 1, 2, 3, 4, 5, 6, 7].filter((place) => isThere[place]));
      expect(queue.size).toBe(0);
    }),
  );
});

test("each file gets a directory of its own, inside the given one", () => {
  expect(["src/a b.ts", "..", ".", "a%2Fb", "a\n"].map(directoryName)).toEqual([
    "src%2Fa%20b.ts",
    "%2E%2E",
    "%2E",
    "a%252Fb",
    "a%0A",
  ]);
  const name = fc
    .string({ unit: "binary", minLength: 1, maxLength: 300 })
    .filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 5 }), (names) => {
      const directories = names.map(directoryName);
      expect(new Set(directories).size).toBe(names.length);
      for (const directory of directories) expect(directory).toMatch(/^(?!\.+$)[A-Za-z0-9._+,=@%~-]{1,200}$/);
    }),
  );
});

test("a line of the log has the columns of GNU parallel", () => {
  const line = lineText(
    {
      seq: 3,
      startedMs: 1_700_000_000_123,
      durationMs: 1500,
      received: 12,
      exitCode: 2,
      signal: 0,
      command: "a 'x\ny'",
    },
    "host",
  );
  expect(line).toBe("3\thost\t1700000000.123\t     1.500\t0\t12\t2\t0\ta 'x\\ny'\n");
});
