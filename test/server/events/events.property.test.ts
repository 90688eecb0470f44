import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { StreamEvent } from "../../../src/contract/events.ts";
import { SessiondError } from "../../../src/error.ts";
import { silentLogger } from "../../../src/log.ts";
import { factsOf } from "../../../src/server/events/changes.ts";
import { EventLog } from "../../../src/server/events/event-log.ts";
import { EventStreams } from "../../../src/server/events/event-streams.ts";
import { EventReader } from "../../../src/server/events/reader.ts";
import { EventRing } from "../../../src/server/events/ring.ts";
import type { SessionSummary } from "../../../src/session/session.ts";
import { SessionIndex } from "../../../src/store/session-index.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { eventually } from "../../support/eventually.ts";

const clock = systemClock();

function summaryOf(session_id: string, revision: number, changes: Partial<SessionSummary>): SessionSummary {
  return {
    session_id,
    status: "running",
    status_reason: null,
    target_path: "/src",
    checkpoint_time: "2026-01-02T03:04:05Z",
    created_time: null,
    generation: null,
    revision,
    labels: {},
    pinned: false,
    processed_count: 0,
    pending_count: 0,
    bytes: 100,
    ...changes,
  };
}

/** A log over an index that does what a store does. */
function world() {
  const changes = new SessionIndex();
  const summary = async (id: string) => {
    const found = changes.get(id);
    if (found === undefined) throw new SessiondError("session_not_found", "gone");
    return found;
  };
  return { changes, store: { changes, summary } };
}

function logOf(store: ReturnType<typeof world>["store"]): EventLog {
  const log = new EventLog({ store, clock, onEvents: () => {}, onProgress: () => {} });
  onTestFinished(() => log.close());
  return log;
}

function reading(log: EventLog, since?: string): EventReader {
  return new EventReader({ log, sessions: undefined, kinds: undefined, since, now: clock.now() });
}

/** What a reader has been sent by now, piece by piece. */
function sent(reader: EventReader): StreamEvent[] {
  let text = "";
  for (let piece = reader.read(); piece !== null; piece = reader.read()) text += String(piece);
  return [...text.matchAll(/^data: (.*)$/gm)].map((match) => JSON.parse(match[1] as string) as StreamEvent);
}

test("the ring keeps the newest events that there is room for, and knows from where on", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 80 });
  const limits = fc.record({
    events: fc.integer({ min: 1, max: 20 }),
    bytes: fc.integer({ min: 0, max: 300 }),
  });
  fc.assert(
    fc.property(sizes, limits, (lengths, limit) => {
      const ring = new EventRing(limit);
      const all = lengths.map((length, index) => `${index} `.padEnd(length));
      for (const text of all) ring.add(() => ({ kind: "k", sessionId: "s", text }));
      let kept = 0;
      let bytes = 0;
      for (const text of all.toReversed()) {
        const fits = kept < limit.events && bytes + text.length <= limit.bytes;
        if (!fits && kept > 0) break;
        kept++;
        bytes += text.length;
      }
      expect([ring.newest, ring.oldest, ring.bytes]).toEqual([all.length, all.length - kept + 1, bytes]);
      for (let number = 0; number <= all.length + 1; number++) {
        const isKept = number > all.length - kept && number <= all.length;
        expect(ring.get(number)?.text).toBe(isKept ? all[number - 1] : undefined);
        expect(ring.reaches(number)).toBe(number >= all.length - kept && number <= all.length);
      }
    }),
  );
});

const id = fc.constantFrom("a", "b", "c");
const state = fc.record({
  status: fc.constantFrom("running", "paused", "completed", "failed"),
  status_reason: fc.constantFrom(null, "why"),
  processed_count: fc.nat(3),
  pending_count: fc.nat(3),
  pinned: fc.boolean(),
  labels: fc.constantFrom({}, { team: "a" }, { team: "b" }),
}) as fc.Arbitrary<Partial<SessionSummary>>;
const step = fc.oneof(
  fc.record({ act: fc.constantFrom("change", "outside", "moved", "written"), id, state }),
  fc.record({ act: fc.constantFrom("report", "delete", "look", "come"), id, state: fc.constant({}) }),
);

test("whoever lists at a reset and follows from there knows each session as it is, however often they are away", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { changes, store } = world();
      const log = logOf(store);
      const constant = reading(log);
      const events: StreamEvent[] = [];
      const known = new Map<string, ReturnType<typeof factsOf>>();
      let cursor: string | undefined;
      const come = () => {
        log.catchUp();
        const before = cursor;
        const reader = reading(log, cursor);
        for (const event of sent(reader)) {
          cursor = event.id;
          if (event.kind === "reset") {
            expect(before).toBeUndefined();
            for (const summary of changes.all()) known.set(summary.session_id, factsOf(summary));
            continue;
          }
          events.push(event);
          const { session_id } = event;
          const facts = known.get(session_id);
          if (event.kind === "session.created") expect(facts).toBeUndefined();
          else expect(event.revision).toBeGreaterThanOrEqual(facts?.revision ?? Number.POSITIVE_INFINITY);
          if (event.kind === "session.status") expect(event.from).toBe(facts?.status);
          if (event.kind === "session.deleted") known.delete(session_id);
          else known.set(session_id, factsOf({ ...(facts ?? {}), ...event } as unknown as SessionSummary));
        }
        reader.destroy();
      };
      come();
      const revisions = new Map<string, number>();
      const next = (of: string) => {
        const revision = (revisions.get(of) ?? 0) + 1;
        revisions.set(of, revision);
        return revision;
      };
      for (const { act, id, state } of steps) {
        const now = changes.get(id);
        if (act === "come") come();
        else if (act === "look") changes.all();
        else if (act === "delete") changes.delete(id, { cause: "removed", restorable: false });
        else if (act === "report" && now !== undefined) {
          const [revision, processed_count] = [next(id), now.processed_count + 1];
          changes.defer(id, () => ({ ...now, revision, processed_count }));
        } else if (act === "written" && now !== undefined) changes.set({ ...now, bytes: now.bytes + 1 });
        else if (act === "change")
          changes.set(summaryOf(id, next(id), { ...now, ...state, revision: next(id) }));
        else if (act === "outside" || act === "moved") {
          changes.from("outside", () => {
            if (act === "moved") changes.delete(id, { cause: "gone", restorable: false });
            changes.set(summaryOf(id, next(id), state));
          });
        }
      }
      come();
      expect(known).toEqual(new Map(changes.all().map((summary) => [summary.session_id, factsOf(summary)])));
      // One who was there all the time was told the same, and nothing twice.
      const all = sent(constant).slice(1);
      expect(all).toEqual(events);
      expect(new Set(all.map((event) => event.id)).size).toBe(all.length);
      constant.destroy();
      log.close();
    }),
    { numRuns: 300 },
  );
});

test("a report that is looked at while another program's change is taken in is not that program's", () => {
  const { changes, store } = world();
  const log = logOf(store);
  const reader = reading(log);
  changes.set(summaryOf("a", 1, {}));
  changes.defer("a", () => summaryOf("a", 2, { processed_count: 1 }));
  changes.from("outside", () => {
    changes.set(summaryOf("b", 1, {}));
    changes.get("a");
  });
  log.catchUp();
  expect(sent(reader)).toMatchObject([
    { kind: "reset" },
    { kind: "session.created", session_id: "a", outside: false },
    { kind: "session.created", session_id: "b", outside: true },
    { kind: "session.progress", session_id: "a", outside: false },
  ]);
  reader.destroy();
});

test("readers that do not read cost no memory, and are told when they do", () => {
  const { changes, store } = world();
  const log = logOf(store);
  const readers = Array.from({ length: 50 }, () => reading(log));
  for (const reader of readers) reader.read(0);
  const text = "\u0001".repeat(1000);
  for (let revision = 1; revision <= 3000; revision++) {
    changes.set(summaryOf("a", revision, { status_reason: `${revision}${text}` }));
    for (const reader of readers) reader.wake();
  }
  expect(log.ring.bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
  for (const reader of readers) {
    expect(reader.readableLength).toBeLessThan(64 * 1024);
    expect(reader.beat()).toBe(true);
    expect(sent(reader).at(-1)).toMatchObject({ kind: "dropped" });
    reader.destroy();
  }
});

test("a reader that nothing comes for is told that the daemon is there, and where it is", async () => {
  const { changes, store } = world();
  const streams = new EventStreams({ store, clock, logger: silentLogger, heartbeatMs: 20 });
  onTestFinished(() => streams.close());
  const reader = streams.open({ session: ["b"], kind: undefined, since: undefined }, undefined);
  let text = "";
  reader.on("data", (piece: Buffer) => {
    text += piece.toString();
  });
  changes.set(summaryOf("a", 1, {}));
  const run = reader.lastId.split("-")[0];
  await eventually(() => expect(text).toContain(`: ${run}-1\nid: ${run}-1\n\n`));
  expect(text).not.toContain("session.created");
  reader.destroy();
  await eventually(() => expect(streams.size).toBe(0));
});

test("a reader that does not even notice that it is too slow is given up", async () => {
  const { changes, store } = world();
  const streams = new EventStreams({ store, clock, logger: silentLogger, heartbeatMs: 20 });
  onTestFinished(() => streams.close());
  const reader = streams.open({ session: undefined, kind: undefined, since: undefined }, undefined);
  reader.read(0);
  for (let revision = 1; revision <= 17_000; revision++)
    changes.set(summaryOf("a", revision, { pinned: true }));
  await eventually(() => expect(reader.destroyed).toBe(true));
  expect(streams.size).toBe(0);
});
