/** Progress as it is shown: the bar's lines by example and property, and the displays on streams. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { PassThrough } from "node:stream";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createLook, isUtf8 } from "../../src/cli/look.ts";
import { barLine, barLines } from "../../src/cli/progress/bar.ts";
import { createProgressDisplay, type ProgressMode } from "../../src/cli/progress/create-display.ts";
import { nextLineMs, plainLine } from "../../src/cli/progress/plain.ts";
import { displayWidth } from "../../src/cli/terminal-text.ts";
import type { RunSnapshot } from "../../src/runner/snapshot.ts";
import { anyString } from "../support/arbitraries.ts";
import { eventually } from "../support/eventually.ts";
import { progressOf } from "./sample-progress.ts";
import { TerminalStream } from "./virtual-terminal.ts";

const unicode = createLook(true);
const ascii = createLook(false);
const utf8 = { LANG: "C.UTF-8", TERM: "xterm" };

const running = [
  { file: "src/b.ts", startedMs: 61_000, attempt: 1 },
  { file: "packages/core/src/features/billing/tests/invoice.test.ts", startedMs: 20_000, attempt: 2 },
  { file: "src/just-begun.ts", startedMs: 64_900, attempt: 1 },
];

const heldSince = (sinceMs: number) => ({ sinceMs, idleSinceMs: undefined, reason: "lunch" });
const half = progressOf({ restored: 1000, done: 1495, failed: 2, pending: 2500, running, nowMs: 65_000 });

describe("the bar", () => {
  it("shows earlier files, the files of this run, and the running commands", () => {
    expect(barLines(half, 23.4, 65_000, 79, unicode)).toEqual([
      "▒▒▒████·········   49%  2495 done  2 failed  2500 pending   23.4/s  ETA 1m 47s ",
      "   45s packages…oice.test.ts (try 2)    4s src/b.ts                       +1",
    ]);
    expect(barLine(half, 23.4, 120, unicode)).toBe(
      "nightly  ▒▒▒▒▒▒██████████··················   49%  2495 done  2 failed  2500 pending  1000 earlier   23.4/s  ETA 1m 47s ",
    );
  });

  it("is as docs/follow.md shows it", () => {
    const page = readFileSync(resolve(import.meta.dirname, "../../docs/follow.md"), "utf8").split("\n");
    const given = { sessionId: "lint", running: running.slice(0, 2) };
    const some = progressOf({ ...given, restored: 123, done: 72, failed: 14, pending: 54 });
    expect(page).toContain(`    ${barLine(some, 13.1, 104, unicode).trimEnd()}`);
    const waiting = { untilMs: 12_000, reason: "not now, Retry-After" };
    const slowed = progressOf({ ...given, done: 2495, pending: 2495, slowedTo: 2, waiting });
    expect(page).toContain(`    ${barLine(slowed, 13.1, 104, unicode).trimEnd()}`);
  });

  it("needs no more than ASCII, and no more than a few columns", () => {
    expect(barLines(half, 23.4, 65_000, 60, ascii)).toEqual([
      "==###......   49%  2495 done  2 failed   23.4/s  ETA 1m 47s ",
      "   45s packages/core/s~g/tests/invoice.test.ts (try 2)  +2",
    ]);
    expect(barLines(half, 23.4, 65_000, 19, unicode)).toEqual(["▒▒████·······   49%", ""]);
    const running = [{ file: "tests/invoice.test.ts", startedMs: 0, attempt: 10 }, ...half.running];
    expect(barLines({ ...half, running }, 23.4, 65_000, 20, ascii)[1]).toBe("    1m te~t.ts  +3");
  });

  it("shows why the run waits instead of a rate", () => {
    expect(barLine({ ...half, draining: "interrupted" }, 23.4, 100, unicode)).toContain(
      "finishing 3: interrupted",
    );
    const waiting = { untilMs: half.nowMs + 65_000, reason: "not now, Retry-After" };
    const slowed = { ...half, slowedTo: 2, waiting };
    expect(barLine(slowed, 23.4, 100, unicode)).toMatch(
      / {2}2 at once {2}waiting 1m 05s: not now, Retry-After$/,
    );
    expect(barLine(slowed, 23.4, 79, unicode)).toMatch(/ {2}2 at once {2}waiting 1m 05s(: .*)?$/);
    expect(barLine(slowed, 23.4, 60, unicode)).toMatch(/ {2}2 at once$/);
    expect(barLine({ ...slowed, nowMs: waiting.untilMs }, 23.4, 100, unicode)).toMatch(/2 at once .* ETA /);
    expect(barLine({ ...half, draining: "interrupted" }, 23.4, 60, unicode)).toContain("finishing 3");
    expect(barLine({ ...half, done: 3995, pending: 0 }, 23.4, 79, unicode)).toMatch(
      /0 pending {2}finishing 3$/,
    );
    expect(barLine({ ...half, disconnected: true }, 23.4, 79, unicode)).toMatch(/pending {2}no connection$/);
    expect(barLine(half, undefined, 79, unicode)).toMatch(/pending {8}– {2}ETA – +$/);
    const pausing = { ...half, hold: heldSince(60_000) };
    expect(barLine(pausing, 23.4, 100, unicode)).toMatch(/pending {2}.*finishing 3, then paused: lunch$/);
    const held = { ...pausing, running: [] };
    expect(barLines(held, 23.4, 260_000, 100, unicode)[0]).toMatch(/ {2}paused 3m 20s: lunch$/);
    expect(barLines(held, 23.4, 260_000, 55, unicode)[0]).toMatch(/ {2}paused 3m 20s$/);
  });

  it("is full only when everything is done", () => {
    const bar = (given: Partial<RunSnapshot>) => barLine(progressOf(given), 1, 40, unicode);
    expect(bar({ done: 9999, pending: 1 })).toMatch(/█· {2,}99%/);
    expect(bar({ done: 10_000 })).toMatch(/^█+ +100%/);
    expect(bar({ pending: 10 })).toMatch(/^·+ +0%/);
    expect(bar({})).toMatch(/^·+ +0%/);
  });

  it("counts files that failed before with those that fail now", () => {
    const progress = progressOf({ restored: 7, failedBefore: 2, failed: 1 });
    expect(barLine(progress, undefined, 100, unicode, { isFinal: true })).toMatch(/100% +7 done +3 failed/);
  });

  const count = fc.oneof(fc.nat(20), fc.nat(1e9));
  const anyProgress = fc
    .record({
      sessionId: anyString,
      restored: count,
      failedBefore: count,
      done: count,
      failed: count,
      pending: count,
      running: fc.array(
        fc.record({ file: anyString, startedMs: fc.integer({ min: -1e9, max: 1e9 }), attempt: fc.nat(12) }),
        { maxLength: 12 },
      ),
      nowMs: fc.nat(1e9),
      draining: fc.option(anyString, { nil: undefined }),
      disconnected: fc.boolean(),
    })
    .map(progressOf);
  const anyRate = fc.option(fc.double({ min: 0, noNaN: true }), { nil: undefined });

  it("is never wider than the terminal, and shows no nonsense", () => {
    fc.assert(
      fc.property(
        anyProgress,
        anyRate,
        fc.integer({ min: 1, max: 250 }),
        fc.boolean(),
        (progress, rate, columns, plain) => {
          for (const line of barLines(progress, rate, progress.nowMs, columns, plain ? ascii : unicode)) {
            expect(displayWidth(line)).toBeLessThanOrEqual(columns);
            // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
            expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
            if (plain) expect(line).toMatch(/^[ -~]*$/);
          }
          const named = { ...progress, sessionId: "", draining: undefined, running: [] };
          expect(barLine(named, rate, columns, unicode) + plainLine(named, rate)).not.toMatch(
            /NaN|Infinity|-\d/,
          );
        },
      ),
    );
  });
});

describe("the locale", () => {
  it.each([
    [{}, false],
    [{ LANG: "C.UTF-8" }, true],
    [{ LANG: "de_DE.utf8" }, true],
    [{ LANG: "C.UTF-8", LC_ALL: "C" }, false],
    [{ LANG: "C", LC_CTYPE: "en_US.UTF-8" }, true],
    [{ LANG: "C.UTF-8", LC_ALL: "" }, true],
  ])("%j is UTF-8: %s", (env, expected) => {
    expect(isUtf8(env)).toBe(expected);
  });
});

/** A display whose clock stands where the test puts it. */
function display(mode: ProgressMode, stream: TerminalStream | PassThrough, env: NodeJS.ProcessEnv = utf8) {
  const clock = { nowMs: 0 };
  const shown = createProgressDisplay(mode, stream, {
    env: { NO_COLOR: "1", ...env },
    nowMs: () => clock.nowMs,
  });
  onTestFinished(() => shown.finish(progressOf()));
  return { ...shown, clock };
}

function text(stream: PassThrough): () => string {
  const chunks: string[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  return () => chunks.join("");
}

describe("the bar on a terminal", () => {
  const states = (from: number, count: number) =>
    Array.from({ length: count }, (_, at) =>
      progressOf({ done: from + at, pending: 1000 - from - at, nowMs: at }),
    );

  it("is redrawn in place, with messages above it, and leaves its final state", async () => {
    const stream = new TerminalStream(80, 10);
    const bar = display("auto", stream);
    bar.clock.nowMs = half.nowMs;
    bar.say("before");
    bar.update(half);
    await eventually(() => expect(stream.screen.text).toMatch(/^before\n▒+█+·+ +49% .*\n +45s packages/));
    expect(stream.screen).toMatchObject({ cursorVisible: false, wraps: true });
    bar.say("src/a.ts failed: exit code 3");
    bar.say(`a long line ${"x".repeat(100)}`);
    await eventually(() =>
      expect(stream.screen.text).toMatch(
        /^before\nsrc\/a\.ts failed: exit code 3\na long line x+\nx+\n▒+█+·+ +49%/,
      ),
    );
    for (let line = 0; line < 20; line++) bar.say(`line ${line}`);
    bar.finish(progressOf({ restored: 1000, done: 3998, failed: 2, nowMs: 200_000 }));
    await eventually(() =>
      expect(stream.screen.history.slice(-4)).toEqual([
        "line 18",
        "line 19",
        "nightly  ▒▒███████×  100%  4998 done  2 failed  1000 earlier  20.0/s  in 3m 20s",
        "",
      ]),
    );
    expect(stream.screen.history.filter((line) => line.includes("%"))).toHaveLength(1);
    expect(stream.screen).toMatchObject({ cursorVisible: true, wraps: true, unknown: [] });
    bar.update(half);
    bar.say("afterwards");
    await eventually(() => expect(stream.screen.text).toMatch(/in 3m 20s\nafterwards$/));
  });

  it("is drawn at most ten times a second, and always ends with the newest state", async () => {
    const stream = new TerminalStream(80);
    const bar = display("bar", stream);
    const draws = () => stream.written.split("pending").length - 1;
    for (const state of states(0, 500)) bar.update(state);
    await eventually(() => expect(draws()).toBe(1));
    bar.clock.nowMs = 100;
    for (const state of states(500, 400)) {
      bar.update(state);
      bar.say(`file ${state.done}`);
    }
    await eventually(() => expect(stream.screen.text).toMatch(/500 done/));
    await eventually(() => expect(stream.screen.text).toMatch(/file 898\nfile 899\n.* 899 done/));
    expect(draws()).toBeLessThanOrEqual(3);
  });

  it.each([
    [40, 10],
    [100, 3],
    [15, 4],
  ])("is drawn correctly after a resize to %i columns and %i lines", async (columns, rows) => {
    const stream = new TerminalStream(80, 10);
    const bar = display("bar", stream);
    bar.say("above");
    bar.update(half);
    await eventually(() => expect(stream.screen.text).toMatch(/ETA/));
    stream.resize(columns, rows);
    await eventually(() =>
      expect(stream.screen.text.split("\n").length).toBe(rows < 4 || columns < 20 ? 2 : 3),
    );
    expect(stream.screen.text).toMatch(/^above\n.*49%/);
    for (const line of stream.screen.text.split("\n")) expect(displayWidth(line)).toBeLessThan(columns);
  });

  it("has colours only if they are wanted", async () => {
    for (const coloured of [true, false]) {
      vi.stubEnv("FORCE_COLOR", coloured ? "1" : undefined);
      vi.stubEnv("NO_COLOR", coloured ? undefined : "1");
      onTestFinished(() => void vi.unstubAllEnvs());
      const stream = new TerminalStream(80);
      display("bar", stream).update(half);
      await eventually(() => expect(stream.screen.text).toContain("49%"));
      expect(stream.written.includes("\x1b[32m")).toBe(coloured);
    }
  });

  it("is plain lines on a dumb terminal, and ASCII without UTF-8", async () => {
    const dumb = new TerminalStream(80);
    display("auto", dumb, { ...utf8, TERM: "dumb" }).update(half);
    const stream = new TerminalStream(80);
    display("auto", stream, { LANG: "C" }).update(half);
    await eventually(() => expect(stream.screen.text).toMatch(/^=+#+\.+ +49%/));
    expect(dumb.written).toBe("");
  });
});

describe("lines for a log", () => {
  it("come less often the longer the run takes", () => {
    expect(nextLineMs(0)).toBe(5000);
    expect(nextLineMs(600_000)).toBe(60_000);
    expect(nextLineMs(1e9)).toBe(600_000);
  });

  it("say in words how far the run is", async () => {
    expect(plainLine(half, 23.4)).toBe(
      "nightly: 2495 of 5000 done (1000 of them earlier), 2 failed, 2503 to do, 23.4/s, ETA 1m 47s",
    );
    const waiting = { untilMs: half.nowMs + 65_000, reason: "not now, Retry-After" };
    expect(plainLine({ ...half, slowedTo: 2, waiting }, 23.4)).toMatch(
      /, 2 at once, waiting until (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d \(not now, Retry-After\)$/,
    );
    const late = { ...half, waiting: { ...waiting, untilMs: half.nowMs } };
    expect(plainLine(late, 23.4)).toBe(plainLine(half, 23.4));
    expect(plainLine({ ...half, draining: "paused" }, 23.4)).toMatch(/23\.4\/s, finishing 3 \(paused\)$/);
    const pausing = { ...half, hold: heldSince(60_000) };
    expect(plainLine({ ...pausing, slowedTo: 2, waiting }, 23.4)).toMatch(
      /23\.4\/s, 2 at once, paused \(lunch\), finishing 3$/,
    );
    const held = { ...pausing, running: [], nowMs: 260_000 };
    expect(plainLine(held, 23.4)).toMatch(/23\.4\/s, paused for 3m 20s \(lunch\)$/);
    expect(plainLine({ ...held, draining: "interrupted" }, 23.4)).toMatch(
      /23\.4\/s, finishing 0 \(interrupted\)$/,
    );
    expect(plainLine({ ...half, disconnected: true }, undefined)).toMatch(
      /to do, no connection to sessiond$/,
    );
    const stream = new PassThrough();
    const written = text(stream);
    const plain = display("auto", stream);
    plain.update(half);
    plain.say("said");
    plain.finish(progressOf({ done: 10, nowMs: 20_000 }));
    await eventually(() =>
      expect(written()).toBe("said\nnightly: 10 of 10 done, 0 failed, 0 to do, in 20s (30/min)\n"),
    );
  });
});

describe("lines for programs", () => {
  it("are JSON, one object each", async () => {
    const stream = new PassThrough();
    const written = text(stream);
    const json = display("json", stream);
    json.update(half);
    json.update({ ...half, done: 1500, pending: 2495 });
    await eventually(() => expect(written()).not.toBe(""));
    json.say("two\n\x1b[31mlines\x1b[39m");
    json.finish({ ...half, done: 4000, pending: 0, running: [] });
    await eventually(() => expect(written().split("\n")).toHaveLength(4));
    const lines = written()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      {
        type: "progress",
        session_id: "nightly",
        total: 5000,
        restored: 1000,
        done: 1500,
        failed: 2,
        pending: 2495,
        running: [{ file: "src/b.ts", attempt: 1, running_ms: 4000 }, { attempt: 2 }, {}],
        elapsed_ms: 65_000,
        draining: null,
        disconnected: false,
      },
      { type: "message", text: "two\nlines" },
      { type: "finished", done: 4000, pending: 0, running: [], eta_ms: 0 },
    ]);
  });
});

it("shows only messages in the mode none", async () => {
  const stream = new PassThrough();
  const written = text(stream);
  const none = display("none", stream);
  none.update(half);
  none.say("said");
  none.finish(half);
  await eventually(() => expect(written()).toBe("said\n"));
});

it("budgets are shown: in a log all of them, in the bar the one that is nearest to its maximum", () => {
  const budgets = [
    { key: "cost", spent: "4.97123", max: "5.00" },
    { key: "usage.tokens", spent: "12345678", max: "1000000000" },
  ];
  const progress = progressOf({ done: 3, pending: 7, budgets });
  expect(plainLine(progress, undefined)).toContain(", budget cost 4.971/5  usage.tokens 12345678/1000000000");
  expect(barLine(progress, undefined, 80, unicode)).toContain("  cost 4.971/5  ");
  const long = progressOf({
    done: 3,
    pending: 7,
    budgets: [{ key: "k".repeat(30), spent: "0.999", max: "1" }],
  });
  expect(barLine(long, undefined, 80, unicode)).toContain("  budget 99%  ");
});
