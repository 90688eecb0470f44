import { Writable } from "node:stream";
import fc from "fast-check";
import { pino } from "pino";
import { prettyFactory } from "pino-pretty";
import { expect, test } from "vitest";
import {
  boundedLine,
  journalLine,
  journalText,
  maxLineBytes,
  readableEvent,
  readableLines,
} from "../../src/daemon/log-lines.ts";

/** The lines that pino makes of what `log` does. */
function lines(log: (logger: pino.Logger) => void): string[] {
  const written: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  log(pino({ level: "trace", base: null }, stream));
  return written;
}

test("each level has its priority", () => {
  const written = lines((logger) => {
    for (const level of ["trace", "debug", "info", "warn", "error", "fatal"] as const) logger[level](level);
  });
  expect(written.map(journalLine)).toEqual([
    "<7>trace\n",
    "<7>debug\n",
    "<6>info\n",
    "<4>warn\n",
    "<3>error\n",
    "<2>fatal\n",
  ]);
});

test("an event is one line: what happened, then the details", () => {
  const [line = ""] = lines((logger) =>
    logger.error({ err: new Error("a\nb"), id: "x" }, "first\nsecond\u001b[31m"),
  );
  const entry = journalLine(line);
  expect(entry).toMatch(
    /^<3>first; second\\u001b\[31m \{"err":\{"type":"Error","message":"a\\nb","stack":".*"id":"x"\}\n$/,
  );
  expect(journalText(50, "a: bad\nb: worse\n")).toBe("<3>a: bad\n<3>b: worse\n");
});

test("a line that is short enough is left as it is", () => {
  const [line = ""] = lines((logger) => logger.info({ a: [1, { b: "c" }] }, "hello"));
  expect(boundedLine(line)).toBe(line);
});

test("no line is longer than readers take, however long the event is", () => {
  const long = "\u0000ж".repeat(30_000);
  const deep = { list: Array.from({ length: 5000 }, () => ({ text: "x".repeat(100) })) };
  const cases = lines((logger) => {
    logger.info(long);
    logger.warn({ [long]: 1, ...deep }, "deep");
    logger.error({ err: new Error(long) }, long);
    logger.info(Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`${key}`, long])), "wide");
  });
  for (const line of cases) {
    expect(Buffer.byteLength(line)).toBeGreaterThan(maxLineBytes);
    expect(Buffer.byteLength(boundedLine(line))).toBeLessThanOrEqual(maxLineBytes);
    expect(JSON.parse(boundedLine(line))).toMatchObject({ level: JSON.parse(line).level });
    const entry = journalLine(line);
    expect(Buffer.byteLength(entry)).toBeLessThanOrEqual(maxLineBytes);
    expect(entry).toMatch(/^<[346]>.*\n$/);
  }
});

test("whatever is logged, it is one line with a priority", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.json(), (message, details) => {
      const [line = ""] = lines((logger) => logger.info({ details }, "%s", message));
      expect(journalLine(line)).toMatch(/^<6>[^\p{Cc}]*\n$/u);
    }),
  );
});

/** What controls a terminal, or changes the direction of text, or hides in it. */
const unseen =
  /[^\P{Cc}\n]|[\p{Zl}\p{Zp}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/u;
const hostile = "id\u009b31m\u202etxt\u2066\u200f\u2028\x1b]0;title\x07\r\n<0>forged";

test("JSON lines keep every value and have no unseen characters", () => {
  const [line = ""] = lines((logger) => logger.warn({ id: hostile, err: new Error(hostile) }, hostile));
  expect(line).toMatch(unseen);
  expect(boundedLine(line)).not.toMatch(unseen);
  expect(JSON.parse(boundedLine(line))).toEqual(JSON.parse(line));
  expect(journalLine(line)).not.toMatch(unseen);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (message, id) => {
      const [written = ""] = lines((logger) => logger.info({ id }, "%s", message));
      expect(boundedLine(written)).not.toMatch(unseen);
      expect(JSON.parse(boundedLine(written))).toEqual(JSON.parse(written));
    }),
  );
});

test.each([true, false])("lines for a terminal control nothing but their own colours: %s", (colorize) => {
  const pretty = prettyFactory({ colorize, singleLine: true });
  const shown = (line: string) => readableLines(pretty(readableEvent(line)));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
  const withoutColours = (text: string) => text.replace(/\x1b\[[\d;]*m/g, "");
  const [line = ""] = lines((logger) => {
    logger.warn({ id: hostile, labels: { [hostile]: [hostile] }, err: new Error(hostile) }, hostile);
  });
  expect(withoutColours(shown(line))).not.toMatch(unseen);
  expect(shown(line)).toContain("id\\x9b31m\\u202etxt\\u2066\\u200f\\u2028\\x1b]0;title\\x07\\r\\n<0>forged");
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (message, id) => {
      const [written = ""] = lines((logger) => logger.info({ id, err: new Error(id) }, "%s", message));
      expect(withoutColours(shown(written))).not.toMatch(unseen);
    }),
  );
});

test("a message cannot colour the terminal of its reader", () => {
  const pretty = prettyFactory({ colorize: false, singleLine: true });
  const [line = ""] = lines((logger) => logger.warn({ id: "\x1b[8m", err: new Error("\x1b[8m") }, "\x1b[8m"));
  expect(readableLines(pretty(readableEvent(line)))).not.toContain("\x1b");
});
