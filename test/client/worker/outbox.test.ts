/** Reports, answers and lost connections in every order, against a daemon that stores what it receives. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Outbox } from "../../../src/client/worker/outbox.ts";
import { encodeReport, type Reported } from "../../../src/client/worker/report.ts";
import { SessiondError } from "../../../src/error.ts";
import { type JsonObject, type JsonValue, parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { ProgressDelta } from "../../../src/session/command.ts";
import { applyProgress } from "../../../src/session/command.ts";
import { jsonValue } from "../../support/arbitraries.ts";

interface Message extends ProgressDelta {
  type: "progress";
  seq: number;
}

type Lists = ReturnType<typeof applyProgress>;

const empty: Lists = { processed_files: [], pending_files: [], partial_results: {} };
const bad = "bad";

/** Applies what it is sent in order, refuses what has a bad file in it, and answers when it is told to. */
class Daemon {
  session = empty;
  messages: Message[] = [];
  owed: { seq: number; refused: "bad" | "away" | undefined }[] = [];
  /** Keeps nothing for the time being. */
  isAway = false;

  receive(text: string): void {
    const { type, seq, ...delta } = parseJson(text, 1000) as unknown as Message;
    expect(type).toBe("progress");
    expect(seq).toBeGreaterThan(this.messages.at(-1)?.seq ?? 0);
    this.messages.push({ type, seq, ...delta });
    const refused = this.isAway ? "away" : delta.processed?.includes(bad) === true ? "bad" : undefined;
    if (refused === undefined) this.session = applyProgress(this.session, delta);
    this.owed.push({ seq, refused });
  }
}

class Trial {
  #lastSeq = 0;
  readonly outbox = new Outbox(() => ++this.#lastSeq);
  readonly daemon = new Daemon();
  /** What each report came to, in the order in which they were made. */
  readonly outcomes: (Reported | Error | undefined)[] = [];
  #onTheWay: string[] = [];

  report(delta: ProgressDelta): void {
    const at = this.outcomes.push(undefined) - 1;
    const settle = (outcome: Reported | Error) => {
      expect(this.outcomes[at]).toBeUndefined();
      this.outcomes[at] = outcome;
    };
    this.outbox.add(encodeReport(delta), { resolve: settle, reject: settle });
  }

  send(): void {
    for (let text = this.outbox.next(); text !== undefined; text = this.outbox.next())
      this.#onTheWay.push(text);
  }

  deliver(count = Number.POSITIVE_INFINITY): void {
    for (const text of this.#onTheWay.splice(0, count)) this.daemon.receive(text);
  }

  /** Answers the first messages that wait for an answer: each refusal, and one ack for the rest. */
  answer(count: number): void {
    let last: number | undefined;
    for (const { seq, refused } of this.daemon.owed.splice(0, count)) {
      if (refused === "away") this.outbox.again(seq);
      else if (refused === "bad") this.outbox.refused(seq, new SessiondError("invalid_request", "bad"));
      else last = seq;
    }
    if (last === undefined) return;
    for (const { parcels } of this.outbox.acked(last)) {
      for (const { receipt } of parcels) receipt.resolve({ revision: last });
    }
  }

  /** What is on the way is lost, and what the daemon has is not answered any more. */
  lose(): void {
    this.#onTheWay = [];
    this.daemon.owed = [];
    this.outbox.lost();
  }

  finish(): void {
    this.daemon.isAway = false;
    while (this.outbox.count > 0) {
      this.send();
      this.deliver();
      this.answer(this.daemon.owed.length);
    }
  }
}

type Step =
  | { report: ProgressDelta }
  | { away: boolean }
  | "send"
  | { deliver: number }
  | { answer: number }
  | "lose";

const file = fc.constantFrom("a", "b", "c", "d", "e", "f");
const delta = (files: fc.Arbitrary<string>): fc.Arbitrary<ProgressDelta> =>
  fc.record(
    {
      processed: fc.array(files, { maxLength: 3 }),
      added: fc.array(file, { maxLength: 2 }),
      results: fc.dictionary(file, jsonValue, { maxKeys: 2 }) as fc.Arbitrary<JsonObject>,
    },
    { requiredKeys: [] },
  );
const steps = (files: fc.Arbitrary<string>, ...more: fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ report: delta(files) }) },
      { weight: 3, arbitrary: fc.constant<Step>("send") },
      { weight: 3, arbitrary: fc.record({ deliver: fc.nat(9) }) },
      { weight: 3, arbitrary: fc.record({ answer: fc.nat(9) }) },
      { weight: 1, arbitrary: fc.constant<Step>("lose") },
      ...more,
    ),
    { maxLength: 60 },
  );

function run(all: readonly Step[]): { trial: Trial; made: ProgressDelta[] } {
  const trial = new Trial();
  const made: ProgressDelta[] = [];
  for (const step of all) {
    if (step === "send") trial.send();
    else if (step === "lose") trial.lose();
    else if ("away" in step) trial.daemon.isAway = step.away;
    else if ("deliver" in step) trial.deliver(step.deliver);
    else if ("answer" in step) trial.answer(step.answer);
    else {
      made.push(step.report);
      trial.report(step.report);
    }
  }
  trial.finish();
  return { trial, made };
}

function unordered({ processed_files, pending_files, partial_results }: Lists): unknown {
  return [new Set(processed_files), new Set(pending_files), partial_results];
}

function oneByOne(deltas: readonly ProgressDelta[]): Lists {
  let session = empty;
  for (const one of deltas) session = applyProgress(session, one);
  return session;
}

const text = (value: unknown) => stringifyJson(value, { maxDepth: 1000 });

describe("reports on their way", () => {
  it("come to what they would have come to one by one, however they ride and whatever is lost", () => {
    fc.assert(
      fc.property(steps(file), (all) => {
        const { trial, made } = run(all);
        const expected = oneByOne(made);
        expect(text(trial.daemon.session)).toBe(text(expected));
        expect(trial.outcomes.every((outcome) => outcome !== undefined && "revision" in outcome)).toBe(true);
        expect(trial.outbox.size).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it("come to the same, in another order, when the session is away for a while", () => {
    const away = fc.record({ away: fc.boolean() });
    fc.assert(
      fc.property(steps(file, away), (all) => {
        const { trial, made } = run(all);
        expect(unordered(trial.daemon.session)).toEqual(unordered(oneByOne(made)));
        expect(trial.outcomes.every((outcome) => outcome !== undefined && "revision" in outcome)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("are refused each for itself, and no other with them", () => {
    const files = fc.oneof({ weight: 6, arbitrary: file }, { weight: 1, arbitrary: fc.constant(bad) });
    fc.assert(
      fc.property(steps(files), (all) => {
        const { trial, made } = run(all);
        const isBad = (one: ProgressDelta) => one.processed?.includes(bad) === true;
        expect(trial.outcomes.map((outcome) => outcome instanceof Error)).toEqual(made.map(isBad));
        const kept = made.filter((one) => !isBad(one));
        expect(unordered(trial.daemon.session)).toEqual(unordered(oneByOne(kept)));
      }),
      { numRuns: 500 },
    );
  });

  it("do not bring back a result that a later one has replaced when they are sent again", () => {
    const trial = new Trial();
    for (let at = 0; at < 8; at++) {
      trial.report({ processed: [`f${at}`] });
      trial.send();
    }
    trial.report({ processed: ["early"], results: { key: "early", other: 1 } });
    trial.report({ processed: [bad] });
    trial.deliver();
    trial.answer(2);
    trial.send();
    trial.report({ processed: ["late"], results: { key: "late" } });
    trial.finish();
    expect(trial.daemon.session.partial_results).toEqual({ key: "late", other: 1 });
    expect(trial.daemon.session.processed_files).toEqual(expect.arrayContaining(["early", "late"]));
    expect(trial.outcomes.filter((outcome) => outcome instanceof Error)).toHaveLength(1);
  });

  it("leave at once while nothing is under way, and are never sent again when acknowledged", () => {
    const trial = new Trial();
    for (const name of ["a", "b", "c"]) {
      trial.report({ processed: [name] });
      trial.send();
    }
    trial.deliver();
    expect(trial.daemon.messages.map(({ processed }) => processed)).toEqual([["a"], ["b"], ["c"]]);
    trial.answer(2);
    trial.lose();
    trial.report({ processed: ["d"] });
    trial.finish();
    expect(trial.daemon.messages.slice(3).map(({ processed }) => processed)).toEqual([["c", "d"]]);
  });

  it("ride together while messages are under way, with the last result of each key", () => {
    const trial = new Trial();
    for (let at = 0; at < 30; at++) {
      trial.report({ processed: [`f${at}`], results: { [`f${at}`]: at, last: at } });
      trial.send();
    }
    trial.deliver();
    const sent = trial.daemon.messages.length;
    expect(sent).toBeLessThan(10);
    trial.answer(1);
    trial.send();
    trial.deliver();
    expect(trial.daemon.messages).toHaveLength(sent + 1);
    const last = trial.daemon.messages.at(-1);
    expect(last?.processed).toHaveLength(30 - sent);
    expect(last?.results?.last).toBe(29);
    trial.finish();
    expect(trial.daemon.messages).toHaveLength(sent + 1);
  });

  it("are bounded in number and size where they ride together", () => {
    const trial = new Trial();
    const reports = (count: number, value: JsonValue) => {
      for (let at = 0; at < count; at++)
        trial.report({ processed: [`f${at}`], results: { [`f${at}`]: value } });
    };
    reports(30_000, 1);
    reports(40, "x".repeat(100_000));
    trial.report({ results: { huge: "x".repeat(3_000_000) } });
    trial.finish();
    const sizes = trial.daemon.messages.map(({ processed = [] }) => processed.length);
    expect(Math.max(...sizes)).toBe(5000);
    const isLarge = (value: JsonValue) => typeof value === "string";
    const large = trial.daemon.messages.filter(({ results = {} }) => Object.values(results).some(isLarge));
    expect(large.length).toBeGreaterThan(4);
    for (const { results = {} } of large)
      expect(Object.values(results).filter(isLarge).length).toBeLessThan(12);
    expect(trial.daemon.messages.at(-1)).toEqual(expect.objectContaining({ results: expect.anything() }));
    expect(trial.daemon.messages.at(-1)?.processed).toBeUndefined();
  });

  it("are split, so that the daemon answers some while it takes in others", () => {
    const trial = new Trial();
    for (let at = 0; at < 1000; at++) trial.report({ processed: [`f${at}`] });
    trial.send();
    trial.deliver();
    expect(trial.daemon.messages.map(({ processed = [] }) => processed.length)).toEqual([250, 250, 250, 250]);
    trial.finish();
  });

  it("are worth a message before all of them are made, when they are many", () => {
    const trial = new Trial();
    const sizes: number[] = [];
    for (let at = 0; at < 1000; at++) {
      trial.report({ processed: [`f${at}`] });
      if (!trial.outbox.isPartFull) continue;
      trial.send();
      trial.deliver();
      sizes.push(trial.daemon.messages.at(-1)?.processed?.length ?? 0);
    }
    expect(sizes.slice(0, 2)).toEqual([64, 64]);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(250);
    trial.finish();
  });

  it("grow smaller when the daemon takes no such messages, down to one report, which is refused", () => {
    const trial = new Trial();
    for (let at = 0; at < 100; at++)
      trial.report({ results: { [`f${at}`]: "x".repeat(at === 50 ? 5000 : 100) } });
    const limit = 1000;
    const tooLarge = new SessiondError("payload_too_large", "too large");
    let losses = 0;
    while (trial.outbox.count > 0) {
      const next = trial.outbox.next();
      if (next !== undefined && next.length > limit) {
        losses++;
        trial.outbox.tooLarge(tooLarge);
        trial.lose();
      } else if (next === undefined) trial.answer(trial.daemon.owed.length);
      else trial.daemon.receive(next);
    }
    expect(losses).toBeLessThan(20);
    expect(trial.outcomes[50]).toBe(tooLarge);
    expect(trial.outcomes.filter((outcome) => outcome instanceof Error)).toHaveLength(1);
    expect(Object.keys(trial.daemon.session.partial_results)).toHaveLength(99);
  });
});
