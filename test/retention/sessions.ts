import fc from "fast-check";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../src/log.ts";
import { Cleanup } from "../../src/retention/cleanup.ts";
import type { CleanupOptions, TrashOptions } from "../../src/retention/options.ts";
import type { Policy } from "../../src/retention/policy.ts";
import { type SessionSummary, statuses } from "../../src/session/session.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import type { Clock } from "../../src/time/clock.ts";
import { formatTimestamp, type Micros, parseTimestamp } from "../../src/time/clock.ts";
import { bootTimeOf } from "../support/fake-clock.ts";

export const now = parseTimestamp("2026-03-01T00:00:00Z") as Micros;
export const dayMs = 86_400_000;

/** A session whose last activity was this many days before {@link now}. */
export function aged(
  session_id: string,
  status: SessionSummary["status"],
  days: number,
  more: Partial<SessionSummary> = {},
): SessionSummary {
  return {
    session_id,
    status,
    status_reason: null,
    target_path: "/src",
    checkpoint_time: formatTimestamp(now - days * dayMs * 1000),
    created_time: null,
    generation: `g-${session_id}`,
    revision: 1,
    labels: {},
    pinned: false,
    processed_count: 0,
    pending_count: 0,
    bytes: 100,
    ...more,
  };
}

export function manyAged(count: number, status: SessionSummary["status"], days: number): SessionSummary[] {
  return Array.from({ length: count }, (_, at) => aged(`${status}-${at}`, status, days + at / 1000));
}

export const cleanupOptions: CleanupOptions = {
  timezone: "UTC",
  onMissed: "run_once",
  maxDeleteRatio: 0.5,
  completed: { enabled: true, schedule: "0 3 * * *", keepRecent: 10 },
  expired: { enabled: true, schedule: "30 3 * * *", maxAgeMs: 30 * dayMs },
  failed: { enabled: true, schedule: "0 4 * * *", maxAgeMs: 7 * dayMs },
};
export const trashOptions: TrashOptions = { enabled: true, schedule: "30 4 * * *", retentionMs: 7 * dayMs };

export const policies: fc.Arbitrary<Policy> = fc.oneof(
  fc.record({ name: fc.constant("completed" as const), keepRecent: fc.nat(6) }),
  fc.record({
    name: fc.constantFrom("expired" as const, "failed" as const),
    maxAgeMs: fc.constantFrom(0, 1, dayMs, 7 * dayMs),
  }),
);

/** Any store: every status, shared times, times in the future, pins. */
export const stores: fc.Arbitrary<SessionSummary[]> = fc.uniqueArray(
  fc
    .tuple(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 4 }),
      fc.constantFrom(...statuses),
      fc.oneof(fc.constantFrom(0, 1, 7, -1), fc.double({ min: -2, max: 20, noNaN: true })),
      fc.record({
        pinned: fc.boolean(),
        revision: fc.nat(3),
        bytes: fc.nat(1000),
        generation: fc.constantFrom(null, "g1", "g2"),
      }),
    )
    .map(([id, status, days, more]) =>
      aged(id, status, Math.round(days * dayMs * 1000) / (dayMs * 1000), more),
    ),
  { selector: (session) => session.session_id, maxLength: 30 },
);

/**
 * Cleanup over a store, with the default options but for those that are given. The end of the test stops it.
 */
export function cleanupOf(store: SessionStore, clock: Clock, options: Partial<CleanupOptions> = {}): Cleanup {
  const cleanup = new Cleanup({
    store,
    cleanup: { ...cleanupOptions, ...options },
    trash: trashOptions,
    bootTime: bootTimeOf(clock),
    logger: silentLogger,
  });
  onTestFinished(() => cleanup.stop());
  return cleanup;
}
