/** When a change is told, as what, and what is forgotten. */
import { expect, test } from "vitest";
import type { SessionSummary } from "../../../../src/session/session.ts";
import { type Found, type Step, Telling } from "../../../../src/store/postgres/feed/telling.ts";
import type { StoreChange } from "../../../../src/store/session-store.ts";
import { summary } from "./telling-world.ts";

const id = "s";
const at = (revision: number, parts: Partial<SessionSummary> = {}) => summary(id, { revision, ...parts });

function setUp(maxEntries?: number) {
  const telling = new Telling(maxEntries);
  const told: StoreChange[] = [];
  telling.subscribe((change) => told.push(change));
  const look = (...found: Partial<Found>[]) =>
    telling.endLook(
      telling.beginLook(),
      found.map((one) => ({ ...nothing, ...one })),
    );
  const created = (sid = 1) => telling.own({ sid, id, kind: "n", seqBefore: 0, seqAfter: 1, after: at(1) });
  const reported = (seqBefore: number, seqAfter: number) =>
    telling.reported({ sid: 1, id, seqBefore, seqAfter, summary: () => at(seqAfter) });
  return { telling, told, look, created, reported };
}

const nothing: Found = {
  ...{ sid: 1, id, steps: [], reported: false, reportedElsewhere: false },
  base: { seq: 0, summary: undefined },
  state: { seq: 0, summary: undefined },
};
const frame = (seq: number): Step => ({ kind: "f", seq });
const gone = (seq: number, before?: SessionSummary): Step => ({ kind: "x", seq, before });

test("a change that a look has told already needs no other look", () => {
  const { telling, told, look } = setUp();
  look({ base: { seq: 4, summary: at(4) }, state: { seq: 5, summary: at(5) }, steps: [frame(5)] });
  expect(told).toMatchObject([{ before: at(4), after: at(5), origin: "change" }]);
  expect(telling.own({ sid: 1, id, kind: "f", seqBefore: 4, seqAfter: 5, after: at(5) })).toBe(true);
  expect(told).toHaveLength(1);
});

test("a change of a session of which nothing was told needs a look", () => {
  const { telling, told } = setUp();
  expect(telling.own({ sid: 1, id, kind: "f", seqBefore: 4, seqAfter: 5, after: at(5) })).toBe(false);
  expect(told).toEqual([]);
  expect(telling.size).toBe(0);
});

test("reports are told before the change that follows them, as reports", () => {
  const { telling, told, created, reported } = setUp();
  created();
  reported(1, 2);
  reported(2, 4);
  telling.own({ sid: 1, id, kind: "f", seqBefore: 4, seqAfter: 5, after: at(5) });
  expect(told.slice(1)).toEqual([
    { session_id: id, before: at(1), after: at(4), origin: "report" },
    { session_id: id, before: at(4), after: at(5), origin: "change" },
  ]);
});

test("reports behind what another host did wait for a look, and are told as what that was", () => {
  const { telling, told, look, created, reported } = setUp();
  created();
  reported(2, 3);
  reported(3, 4);
  expect(telling.announceReports(9)).toBe(false);
  expect(telling.announce(id)).toBe(false);
  expect(telling.needsLook).toBe(true);
  expect(told).toHaveLength(1);
  look({
    base: { seq: 1, summary: at(1) },
    state: { seq: 4, summary: at(4) },
    steps: [{ kind: "d", seq: 2 }],
  });
  expect(telling.needsLook).toBe(false);
  expect(told.slice(1)).toMatchObject([{ before: at(1), after: at(4), origin: "change" }]);
});

test("own reports that a look finds first are told when somebody asks, with those after them", () => {
  const { telling, told, look, created, reported } = setUp();
  created();
  reported(1, 3);
  look({ base: { seq: 1, summary: at(1) }, state: { seq: 2, summary: at(2) }, reported: true });
  expect(told).toHaveLength(1);
  expect(telling.announceReports(1)).toBe(false);
  expect(told.slice(1)).toMatchObject([{ before: at(1), after: at(3), origin: "report" }]);
});

test("reports that were told by a look, and then forgotten, leave nothing behind", () => {
  const { telling, told, look, reported } = setUp();
  reported(1, 2);
  expect(telling.size).toBe(1);
  look();
  expect(telling.size).toBe(0);
  expect(told).toEqual([]);
});

test("what listeners do not know does not go once more", () => {
  const { told, look } = setUp();
  const lost = { base: { seq: 4, summary: undefined }, state: { seq: 5, summary: undefined } };
  look({ ...lost, steps: [gone(5)] });
  expect(told).toEqual([]);
});

test("the end of a session that its successor has hidden is not told, nor are its reports", () => {
  const { telling, told, look, created, reported } = setUp();
  created(2);
  look({
    base: { seq: 0, summary: undefined },
    state: { seq: 1, summary: at(1) },
    steps: [{ kind: "n", seq: 1 }],
  });
  reported(1, 2);
  telling.announceReports(1);
  telling.own({ sid: 2, id, kind: "x", seqBefore: 1, seqAfter: 2, after: undefined });
  look({ base: { seq: 1, summary: at(1) }, state: { seq: 3, summary: undefined }, steps: [gone(3, at(2))] });
  expect(told).toMatchObject([{ after: at(1) }, { before: at(1), after: undefined }]);
  expect(told).toHaveLength(2);
});

test("a session goes before its successor comes, in whatever order a look finds them", () => {
  const { told, look } = setUp();
  const successor = { sid: 2, state: { seq: 1, summary: at(9) }, steps: [{ kind: "n", seq: 1 } as const] };
  const went = { state: { seq: 6, summary: undefined }, steps: [gone(6, at(5))] };
  look({ base: { seq: 3, summary: at(3) }, state: { seq: 4, summary: at(4) }, steps: [frame(4)] });
  look(successor, { ...went, base: { seq: 4, summary: at(4) }, reported: true, reportedElsewhere: true });
  expect(told.slice(1)).toMatchObject([
    { before: at(4), after: at(5), origin: "report" },
    { before: at(5), after: undefined, gone: { cause: "removed", restorable: false } },
    { before: undefined, after: at(9) },
  ]);
});

test("after a gap nothing is told of what was before", () => {
  const { telling, told, created, reported } = setUp();
  let gaps = 0;
  const end = telling.onGap(() => void gaps++);
  created();
  reported(1, 2);
  telling.gap();
  expect(gaps).toBe(1);
  expect(telling.announceReports(1)).toBe(false);
  expect(told).toHaveLength(1);
  end();
  telling.gap();
  expect(gaps).toBe(1);
});

test("no more sessions are kept than allowed, once a look has passed them", () => {
  const { telling, look } = setUp(2);
  for (const sid of [1, 2, 3, 4]) {
    telling.own({ sid, id: `${sid}`, kind: "n", seqBefore: 0, seqAfter: 1, after: summary(`${sid}`) });
  }
  expect(telling.size).toBe(4);
  look();
  expect(telling.size).toBe(2);
});
