/**
 * The live view without a terminal: frames by example and by property, rates, keys, what it asks the daemon,
 * and --once.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLook } from "../../src/cli/look.ts";
import { displayWidth } from "../../src/cli/terminal-text.ts";
import { clampedOffset, frame, lastOffset, onceLines } from "../../src/cli/top/frame.ts";
import { keysIn } from "../../src/cli/top/keys.ts";
import { poll } from "../../src/cli/top/poll.ts";
import { noRates, speedOf, trackRates } from "../../src/cli/top/rates.ts";
import { SessionClient } from "../../src/client/session-client.ts";
import { statuses } from "../../src/session/session.ts";
import { anyString } from "../support/arbitraries.ts";
import { commandLine } from "./command-line.ts";
import { sessionOf, workerOf } from "./sample-progress.ts";
import { jobOf, type jobs, pollOf, problemOf, viewOf } from "./sample-top.ts";

const unicode = createLook(true);
const ascii = createLook(false);

/** Without the clock at its right, which is in local time, and without blanks at the ends. */
const shown = (lines: readonly string[]) =>
  lines.map((line) => line.replace(/ +\d\d:\d\d:\d\d$/, "").trimEnd());

describe("a frame", () => {
  it("has the essentials in 80 columns", () => {
    expect(shown(frame(viewOf(), { columns: 80, rows: 24 }, unicode))).toMatchInlineSnapshot(`
      [
        "sessiond 0.1.0  up 3d 2h  2 workers attached",
        "12 sessions  ▸ 3 running  ‖ 1 paused  ✓ 7 completed  ✗ 1 failed",
        "",
        "  ID              PROGRESS               FILES     RATE      ETA  WORKER    IDLE",
        "▸ nightly         ██████···  67%     3350/5000   12.0/s   2m 17s  run:4711    3s",
        "▸ migr…ing-to-v2  █········  12%        12/100        –        –  lost        1m",
        "▸ 会議…-レビュー  ·········    –           0/0        –        –  –           1h",
        "‖ lint-monorepo   ███······  41%  41000/100000                                4h",
        "✗ docs            ███······  41%          5/12                                1d",
        "✓ done-0          █████████ 100%       100/100                               12d",
        "✓ done-1          █████████ 100%       101/101                               12d",
        "✓ done-2          █████████ 100%       102/102                               12d",
        "✓ done-3          █████████ 100%       103/103                               12d",
        "✓ done-4          █████████ 100%       104/104                               12d",
        "✓ done-5          █████████ 100%       105/105                               12d",
        "✓ done-6          █████████ 100%       106/106                               12d",
        "",
        "",
        "",
        "",
        "",
        "",
        "cleanup:  expired in 30m  failed in 1h 00m  trash in 1h 30m",
        "q quit",
      ]
    `);
  });

  it("has more in 120 columns", () => {
    const view = viewOf(
      {},
      { health: { status: "degraded", problems: [problemOf("it cannot be read", "broken")] } },
    );
    expect(shown(frame(view, { columns: 120, rows: 18 }, unicode))).toMatchInlineSnapshot(`
      [
        "sessiond 0.1.0  up 3d 2h  2 workers attached",
        "12 sessions  ▸ 3 running  ‖ 1 paused  ✓ 7 completed  ✗ 1 failed",
        "1 problem: broken: it cannot be read (sessionctl doctor)",
        "",
        "  ID                     STATUS     PROGRESS                   FILES     RATE      ETA  WORKER    IDLE  NOTE",
        "▸ nightly                running    ████████·····  67%     3350/5000   12.0/s   2m 17s  run:4711    3s  /srv/project",
        "▸ migrate-billing-to-v2  running    █············  12%        12/100        –        –  lost        1m  /srv/billing",
        "▸ 会議室-レビュー        running    ·············    –           0/0        –        –  –           1h  /srv/project",
        "‖ lint-monorepo          paused     █████········  41%  41000/100000                                4h  the worker is l…",
        "✗ docs                   failed     █████········  41%          5/12                                1d  exit code 3",
        "✓ done-0                 completed  █████████████ 100%       100/100                               12d  /srv/project",
        "✓ done-1                 completed  █████████████ 100%       101/101                               12d  /srv/project",
        "✓ done-2                 completed  █████████████ 100%       102/102                               12d  /srv/project",
        "✓ done-3                 completed  █████████████ 100%       103/103                               12d  /srv/project",
        "✓ done-4                 completed  █████████████ 100%       104/104                               12d  /srv/project",
        "",
        "cleanup:  expired in 30m  failed in 1h 00m  trash in 1h 30m  completed in 23h 54m",
        "q quit  ↑↓ scroll  1-10 of 12",
      ]
    `);
  });

  it("has sessions even in 20 columns and 5 lines, in ASCII", () => {
    expect(shown(frame(viewOf(), { columns: 20, rows: 5 }, ascii))).toMatchInlineSnapshot(`
      [
        "sessiond 0.1.0",
        "> 3  = 1  + 7  ! 1",
        "> nightly        67%",
        "> mig~g-to-v2    12%",
        "> ???-????         -",
      ]
    `);
  });

  it("says that the connection is lost, and shows no rates then", () => {
    const away = { message: "nobody listens at /run/sessiond/sessiond.sock", forMs: 12_345 };
    const [head, , , , first] = shown(frame(viewOf({ away }), { columns: 80, rows: 24 }, unicode));
    expect(head).toBe("no connection to sessiond for 12s: nobody listens at /run/sessiond/sessiond.sock");
    expect(first).toMatch(/▸ nightly .* 3350\/5000 +– +– {2}run:4711/);
    const answered = { message: "the database is away", forMs: 6000, answers: true };
    const [without] = shown(frame(viewOf({ away: answered }), { columns: 80, rows: 24 }, unicode));
    expect(without).toBe("nothing new for 6s: the database is away");
  });

  it("shows the next cleanup, or that none is scheduled", () => {
    const footer = (given: typeof jobs) =>
      shown(frame(viewOf({}, { cleanup: { jobs: given } }), { columns: 80, rows: 24 }, unicode)).at(-2);
    expect(footer([jobOf("expired", 0.5, true)])).toBe(
      "cleanup:  expired waiting for approval  expired in 30m",
    );
    expect(footer([{ ...jobOf("expired", 1), enabled: false }])).toBe("cleanup:  none scheduled");
    expect(footer([])).toBe("cleanup:  none scheduled");
  });

  it("scrolls as far as there are sessions", () => {
    const many = Array.from({ length: 50 }, (_, at) => sessionOf(`s-${at}`, "paused"));
    const size = { columns: 80, rows: 24 };
    const at = (offset: number) => viewOf({ offset }, { sessions: many });
    expect(lastOffset(at(0), size)).toBe(33);
    expect(clampedOffset(at(1000), size)).toBe(33);
    const last = shown(frame(at(1000), size, unicode));
    expect(last.at(-1)).toBe("q quit  ↑↓ scroll  34-50 of 50");
    expect(last.find((line) => line.includes("s-49"))).toBeDefined();
    const huge = { ...at(0), poll: pollOf({ sessions: many, stats: { ...pollOf().stats, total: 100_000 } }) };
    expect(lastOffset(huge, size)).toBe(1000 - 17);
    expect(frame(huge, size, unicode).at(-1)).toBe(
      "q quit  ↑↓ scroll  1-17 of 1000, of 100000: sessionctl list",
    );
  });

  it("has a line for each worker that shares a session", () => {
    const shared = Array.from({ length: 10 }, (_, at) =>
      workerOf(at === 3 ? null : `run ${at % 9}`, {
        epoch: 100 + at,
        shared: true,
        claimed: 10 - at,
        connected: at !== 1,
      }),
    );
    const two = sessionOf("two", "running", { pending_count: 9, workers: shared.slice(0, 2) });
    const many = sessionOf("many", "paused", { pending_count: 9, workers: shared });
    const others = Array.from({ length: 9 }, (_, at) => sessionOf(`s-${at}`, "paused"));
    const at = (offset: number) => viewOf({ offset }, { sessions: [two, many, ...others] });
    const size = { columns: 80, rows: 16 };
    expect(shown(frame(at(0), size, unicode)).slice(3)).toMatchInlineSnapshot(`
      [
        "  ID          PROGRESS              FILES     RATE      ETA  WORKER         IDLE",
        "▸ two         ·········   0%          0/9        –        –  2 workers        3s",
        "    run 0                         10 files    2 min",
        "    run 1                          9 files    2 min  lost",
        "‖ many        ·········   0%          0/9                    held… workers    3s",
        "    run 0 (100)                   10 files    2 min",
        "    run 1                          9 files    2 min  lost",
        "    run 2                          8 files    2 min",
        "    103                            7 files    2 min",
        "    run 4                          6 files    2 min",
        "",
        "cleanup:  expired in 30m  failed in 1h 00m  trash in 1h 30m",
        "q quit  ↑↓ scroll  1-2 of 11",
      ]
    `);
    expect(lastOffset(at(0), size)).toBe(2);
    expect(lastOffset(viewOf({}, { sessions: [...others, many] }), { ...size, rows: 12 })).toBe(9);
    const once = shown(onceLines(at(0), 80, unicode));
    expect(once).toContain("    103                            7 files    2 min");
    expect(once.filter((line) => /^. s-/.test(line))).toHaveLength(9);
  });

  const count = fc.oneof(fc.nat(20), fc.nat(1e12));
  const time = fc.oneof(fc.constant("2026-01-02T03:04:05Z"), fc.constant("2999-01-01T00:00:00Z"), anyString);
  const anySession = fc
    .record({
      id: anyString,
      status: fc.constantFrom(...statuses),
      processed_count: count,
      pending_count: count,
      target_path: anyString,
      status_reason: fc.option(anyString),
      checkpoint_time: time,
    })
    .map(({ id, status, ...rest }) => sessionOf(id, status, rest));
  const anyView = fc
    .record({
      sessions: fc.array(anySession, { maxLength: 12 }),
      names: fc.array(fc.option(anyString), { maxLength: 22 }),
      shared: fc.boolean(),
      since: time,
      problems: fc.array(fc.tuple(anyString, fc.option(anyString)), { maxLength: 3 }),
      more: fc.nat(1e6),
      seconds: fc.nat(1e4),
      offset: fc.nat(40),
      away: fc.option(fc.record({ message: anyString, forMs: fc.nat(1e9) }), { nil: undefined }),
      version: anyString,
    })
    .map(({ sessions: unnamed, names, shared, since, problems, more, seconds, offset, away, version }) => {
      const all = unnamed.map((session, at) => ({
        ...session,
        workers: names
          .slice(at, shared ? at + 11 : at + 1)
          .map((name, epoch) =>
            workerOf(name, { epoch, connected: epoch % 3 > 0, claimed: epoch ** at, shared, since }),
          ),
      }));
      const base = pollOf({ sessions: all });
      const later = pollOf({
        atMs: seconds * 1000,
        sessions: all.map((session) => ({ ...session, processed_count: session.processed_count + seconds })),
        stats: { ...base.stats, total: base.stats.total + more },
        info: { ...base.info, version },
        health: {
          status: "degraded",
          problems: problems.map(([message, id]) => problemOf(message, id)),
        },
      });
      return {
        ...viewOf({ offset, away }),
        poll: later,
        rates: trackRates(trackRates(noRates, base), later),
      };
    });

  it("is never wider or longer than the terminal, whatever the sessions are", () => {
    const widths = fc.integer({ min: 1, max: 250 });
    fc.assert(
      fc.property(
        anyView,
        widths,
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        (view, columns, rows, plain) => {
          const look = plain ? ascii : unicode;
          const lines = frame(view, { columns, rows }, look);
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of [...lines, ...onceLines(view, columns, look)]) {
            expect(displayWidth(line)).toBeLessThanOrEqual(columns);
            // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
            expect(line).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
            if (plain) expect(line).toMatch(/^[ -~]*$/);
          }
        },
      ),
    );
  });
});

describe("rates between polls", () => {
  const session = (processed_count: number, given = {}) => [
    sessionOf("a", "running", { processed_count, pending_count: 100, ...given }),
  ];
  const track = (...polls: [seconds: number, ...Parameters<typeof session>][]) =>
    polls.reduce(
      (rates, [seconds, ...of]) =>
        trackRates(rates, pollOf({ atMs: seconds * 1000, sessions: session(...of) })),
      noRates,
    );
  const speed = (...polls: Parameters<typeof track>) => {
    const [, ...last] = polls.at(-1) as [number, number];
    return speedOf(track(...polls), session(...last)[0] as never);
  };

  it("count from the first poll, by the times of the replies", () => {
    expect(speed([0, 5000])).toEqual({ perSecond: undefined, etaMs: undefined });
    expect(speed([0, 5000], [5, 5050])).toEqual({ perSecond: 10, etaMs: 10_000 });
    expect(speed([0, 5000], [2, 5020], [5, 5050]).perSecond).toBeCloseTo(10);
  });

  it("start over for a session that was created again, or was not running in between", () => {
    expect(speed([0, 0], [5, 50, { generation: "other" }]).perSecond).toBeUndefined();
    expect(speed([0, 0], [5, 50], [6, 50, { status: "paused" }]).perSecond).toBeUndefined();
    expect(speed([0, 0], [5, 50], [6, 50, { status: "paused" }], [7, 60]).perSecond).toBeUndefined();
  });

  it("are remembered for a while when a session is not visible", () => {
    const unseen = (seconds: number) => pollOf({ atMs: seconds * 1000, sessions: [] });
    const before = track([0, 0], [5, 50]);
    expect(trackRates(before, unseen(60)).size).toBe(1);
    expect(trackRates(before, unseen(66)).size).toBe(0);
  });
});

it("knows keys by what terminals send for them", () => {
  expect(keysIn("q")).toEqual(["quit"]);
  expect(keysIn("\x03\x1a")).toEqual(["quit", "stop"]);
  expect(keysIn("jk\x1b[A\x1bOB\x1b[5~\x1b[6~gG")).toEqual([
    "down",
    "up",
    "up",
    "down",
    "page_up",
    "page_down",
    "first",
    "last",
  ]);
  // The letters of other keys, of a mouse and of a paste are no keys of their own.
  expect(keysIn("\x1b[1;5D\x1bOq\x1b[<0;10;10M\x1b[200~x\x1b[201~会é")).toEqual([]);
});

describe("before a daemon", () => {
  async function withSessions() {
    const line = await commandLine();
    const client = new SessionClient({ socketPath: line.socketPath });
    for (const [id, ...verbs] of [
      ["old"],
      ["done", "complete"],
      ["paused", "pause"],
      ["failed", "fail"],
      ["new"],
    ] as const) {
      const pending_files = ["a.ts", "b.ts", "c.ts", "d.ts"];
      await client.createSession({ session_id: id, config: { target_path: "/srv" }, pending_files });
      for (const verb of verbs) await client[`${verb}Session`](id);
    }
    return { ...line, client };
  }

  it("asks only for sessions that can be shown, running ones first, in an order that progress does not change", async () => {
    const { client } = await withSessions();
    const ids = async (wanted: number) =>
      (await poll(client, wanted, () => 7)).sessions.map(({ session_id }) => session_id);
    expect(await ids(100)).toEqual(["new", "old", "paused", "failed", "done"]);
    expect(await ids(3)).toEqual(["new", "old", "paused"]);
    await client.reportProgress("old", { processed: ["a.ts"] });
    expect(await ids(1)).toEqual(["new"]);
    expect(await poll(client, 2, () => 7)).toMatchObject({
      atMs: 7,
      stats: { total: 5, running: 2 },
      info: { version: expect.any(String) },
      health: { status: "ok" },
    });
    client.close();
  });

  it("prints the sessions once without a terminal, with rates from two polls", async () => {
    const { client, run } = await withSessions();
    let printing = true;
    const printed = run("top", "--interval", "500ms").finally(() => {
      printing = false;
    });
    for (let at = 0; printing; at++) await client.reportProgress("new", { processed: [`${at}.ts`] });
    const { code, stdout, stderr } = await printed;
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^sessiond \S+ {2}up \S+ {2}0 workers attached/);
    expect(stdout).toMatch(/^. new +running +█+·* +\d+% +\d+\/\d+ +[\d.]+\/s +\w+ /m);
    expect(stdout).toMatch(/^. done +completed/m);
    expect(stdout).toMatch(/^cleanup: {2}\w+ in /m);
    expect(stdout).not.toContain("\x1b");
    expect(await run("top", "-q", "--interval", "0")).toMatchObject({
      stdout: "new\nold\npaused\nfailed\ndone\n",
    });
    client.close();
  });

  it("prints values with --json", async () => {
    const { client, run } = await withSessions();
    const worker = await client.attach("new", { worker: "laptop" });
    await worker.report({ processed: ["a.ts"] });
    const value = JSON.parse((await run("top", "--once", "--json", "--interval", "10ms")).stdout);
    await worker.detach();
    expect(value).toMatchObject({
      stats: { total: 5 },
      health: { status: "ok" },
      cleanup: { jobs: expect.any(Array) },
      sessions: [
        { session_id: "new", processed_count: 1, workers: [{ name: "laptop", connected: true }] },
        { session_id: "old", workers: [], rate_per_second: null, eta_ms: null },
        { session_id: "paused", rate_per_second: null },
        { session_id: "failed" },
        { session_id: "done" },
      ],
    });
    client.close();
  });
});
