/** The counts of a session that several runs share. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SessionCounts } from "../../src/runner/session-counts.ts";
import { runs } from "../support/runs.ts";

test("what a run finishes counts at once, or if a look is under way, with the next; never twice", () => {
  const counts = new SessionCounts({ processed: 5, failed: 2, pending: 10, workers: 1 });
  counts.ended({ succeeded: true });
  expect(counts).toMatchObject({ done: 1, failed: 0, pending: 9, doneEarlier: 3, failedEarlier: 2 });
  const seen = counts.own;
  counts.ended({ succeeded: false });
  // The look has seen both, and three files of others.
  counts.looked({ processed: 10, failed: 3, pending: 5, workers: 3 }, seen);
  const { tally } = counts;
  expect(tally).toEqual({ failed: 1, succeeded: 4, total: 10 });
  // Another has seen only the first of them, and four files of others, one of which has failed.
  counts.looked({ processed: 10, failed: 3, pending: 5, workers: 3 }, seen);
  expect(counts.tally).toEqual({ failed: 1, succeeded: 4, total: 10 });
  counts.looked({ processed: 11, failed: 4, pending: 4, workers: 3 }, counts.own);
  expect(counts.tally).toEqual({ failed: 2, succeeded: 4, total: 10 });
  expect(counts).toMatchObject({ pending: 4, doneEarlier: 3, failedEarlier: 2, workers: 3 });
});

test("a claim tells how many are pending, and nothing of those that failed", () => {
  const counts = new SessionCounts({ processed: 5, failed: 2, pending: 10, workers: 1 });
  counts.ended({ succeeded: false });
  counts.told(6, 3);
  expect(counts).toMatchObject({
    done: 3,
    failed: 1,
    pending: 6,
    doneEarlier: 3,
    failedEarlier: 2,
    workers: 3,
  });
  counts.ended({ succeeded: true });
  expect(counts).toMatchObject({ done: 4, failed: 1, pending: 5 });
  counts.looked({ processed: 11, failed: 5, pending: 4, workers: 3 }, counts.own);
  expect(counts).toMatchObject({ done: 3, failed: 3, pending: 4 });
});

test("files from before the run that somebody requeues are new ones", () => {
  const counts = new SessionCounts({ processed: 5, failed: 2, pending: 0, workers: 1 });
  counts.looked({ processed: 3, failed: 0, pending: 2, workers: 2 }, counts.own);
  expect(counts).toMatchObject({ done: 0, failed: 0, pending: 2, doneEarlier: 3, failedEarlier: 0 });
  counts.looked({ processed: 5, failed: 2, pending: 0, workers: 2 }, counts.own);
  expect(counts).toMatchObject({ done: 0, failed: 2, doneEarlier: 3, failedEarlier: 0 });
});

test("after a look nothing is counted twice or missing, whoever finished it and whoever requeued it", () => {
  const file = fc.record({ by: fc.constantFrom("own", "other"), succeeded: fc.boolean() });
  const step = fc.oneof(file, fc.constantFrom("look" as const, "claim" as const, "requeue" as const));
  const property = fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
    const all = { done: 3, failed: 2, pending: 40 };
    const look = () => ({
      processed: all.done + all.failed,
      failed: all.failed,
      pending: all.pending,
      workers: 2,
    });
    const counts = new SessionCounts(look());
    for (const one of steps) {
      if (one === "look") counts.looked(look(), counts.own);
      else if (one === "claim") counts.told(all.pending, 2);
      else if (one === "requeue") {
        if (all.failed === 0) continue;
        all.failed--;
        all.pending++;
      } else {
        all.pending--;
        if (one.succeeded) all.done++;
        else all.failed++;
        if (one.by === "own") counts.ended(one);
      }
    }
    counts.looked(look(), counts.own);
    const { done, failed, doneEarlier, failedEarlier, pending } = counts;
    expect([done + doneEarlier, failed + failedEarlier, pending]).toEqual([
      all.done,
      all.failed,
      all.pending,
    ]);
    expect(Math.min(done, failed, doneEarlier, failedEarlier, pending)).toBeGreaterThanOrEqual(0);
  });
  fc.assert(property, runs(200, 5000));
});
