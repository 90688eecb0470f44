/** What each command makes of a session, and which are refused. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyCommand, applyProgress, type Command, type ProgressDelta } from "../../src/session/command.ts";
import { diagnose, repair } from "../../src/session/diagnosis.ts";
import { newSession, type Session, type Status, statuses } from "../../src/session/session.ts";
import { nextStatus, type Verb, verbFor, verbs } from "../../src/session/transition.ts";
import { jsonObject, session } from "../support/arbitraries.ts";

const now = "2026-01-02T03:04:05.000001Z";

describe("transitions", () => {
  const table: Record<Status, Partial<Record<Verb, Status>>> = {
    running: { pause: "paused", complete: "completed", fail: "failed" },
    paused: { resume: "running", complete: "completed", fail: "failed" },
    completed: { complete: "completed", fail: "failed", reopen: "running" },
    failed: { complete: "completed", fail: "failed", reopen: "running" },
  };
  test.each(statuses.flatMap((from) => verbs.map((verb) => [from, verb] as const)))(
    "%s, %s",
    (from, verb) => {
      const expected = table[from][verb];
      if (expected === undefined) {
        expect(() => nextStatus(from, verb)).toThrow(
          expect.objectContaining({ code: "invalid_transition", message: expect.stringContaining(from) }),
        );
      } else {
        expect(nextStatus(from, verb)).toBe(expected);
      }
    },
  );

  test("every other status can be reached by its name, if at all", () => {
    expect(verbFor("paused", "running")).toBe("resume");
    expect(verbFor("failed", "running")).toBe("reopen");
    expect(verbFor("completed", "paused")).toBe("pause");
  });

  test("pausing and resuming gives the same session back, whatever it holds", () => {
    fc.assert(
      fc.property(session, (any) => {
        const running: Session = { ...any, status: "running" };
        const { status_reason: _, ...expected } = running;
        const paused = applyCommand(running, { type: "transition", verb: "pause", reason: "lunch" }, now);
        expect(paused).toMatchObject({ status: "paused", status_reason: "lunch", checkpoint_time: now });
        expect(applyCommand(paused, { type: "transition", verb: "resume" }, now)).toEqual({
          ...expected,
          checkpoint_time: now,
        });
      }),
    );
  });
});

const files: fc.Arbitrary<string[]> = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"), {
  maxLength: 6,
});
const delta: fc.Arbitrary<ProgressDelta> = fc.record(
  { processed: files, added: files, results: jsonObject },
  { requiredKeys: [] },
);

describe("progress", () => {
  const clean = fc.tuple(files, files).map(
    ([processed_files, pending]): Pick<Session, "processed_files" | "pending_files" | "partial_results"> => ({
      processed_files,
      pending_files: pending.filter((file) => !processed_files.includes(file)),
      partial_results: {},
    }),
  );

  test("twice is the same as once", () => {
    fc.assert(
      fc.property(clean, delta, (state, change) => {
        const once = applyProgress(state, change);
        expect(applyProgress(once, change)).toEqual(once);
      }),
    );
  });

  test("keeps every file exactly once, and forgets none", () => {
    fc.assert(
      fc.property(clean, fc.array(delta, { maxLength: 5 }), (state, changes) => {
        const end = changes.reduce((current, change) => applyProgress(current, change), state);
        const all = [...end.processed_files, ...end.pending_files];
        const known = new Set([
          ...state.processed_files,
          ...state.pending_files,
          ...changes.flatMap((change) => [...(change.processed ?? []), ...(change.added ?? [])]),
        ]);
        expect(new Set(all)).toEqual(known);
        expect(all).toHaveLength(known.size);
        for (const change of changes)
          for (const file of change.processed ?? []) expect(end.processed_files).toContain(file);
      }),
    );
  });

  test("moves files in the order given", () => {
    const state = { processed_files: ["x"], pending_files: ["a", "b", "c"], partial_results: { a: 1 } };
    expect(
      applyProgress(state, { processed: ["c", "a", "new"], added: ["d", "a", "d"], results: { b: 2 } }),
    ).toEqual({
      processed_files: ["x", "c", "a", "new"],
      pending_files: ["b", "d"],
      partial_results: { a: 1, b: 2 },
    });
  });

  test("merges results by key, __proto__ like any other", () => {
    const results = JSON.parse('{"__proto__": {"polluted": true}}');
    const state = applyProgress({ processed_files: [], pending_files: [], partial_results: {} }, { results });
    expect(Object.keys(state.partial_results)).toEqual(["__proto__"]);
    expect((state.partial_results as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe("other commands", () => {
  const base = newSession({ session_id: "s", config: { target_path: "/x" }, labels: { a: "1" } }, "g1", now);
  const apply = (command: Command) => applyCommand(base, command, now);

  test("a new session has the defaults written out", () => {
    expect(base).toMatchObject({
      status: "running",
      revision: 1,
      config: {
        target_path: "/x",
        analysis_depth: "standard",
        enable_parallel: true,
        file_patterns: ["*.py", "*.js", "*.ts", "*.tsx", "*.jsx"],
      },
    });
  });

  test("checkpoint replaces the lists and merges the results", () => {
    fc.assert(
      fc.property(
        session,
        files,
        files,
        jsonObject,
        (any, processed_files, pending_files, partial_results) => {
          const next = applyCommand(
            any,
            { type: "checkpoint", checkpoint: { processed_files, pending_files, partial_results } },
            now,
          );
          expect(next).toEqual({
            ...any,
            processed_files,
            pending_files,
            checkpoint_time: now,
            partial_results: { ...any.partial_results, ...partial_results },
          });
        },
      ),
    );
  });

  test("save replaces everything but the generation, and refuses another id", () => {
    const saved: Session = {
      ...base,
      generation: "other",
      extra: 1,
      status: "failed",
      checkpoint_time: "2020-01-01T00:00:00Z",
    };
    expect(apply({ type: "save", session: saved })).toEqual({ ...saved, generation: "g1" });
    expect(() => apply({ type: "save", session: { ...base, session_id: "t" } })).toThrow(
      expect.objectContaining({ code: "invalid_request" }),
    );
  });

  test("labels are set and taken away one by one", () => {
    expect(apply({ type: "edit", labels: { a: null, b: "2" }, pinned: true })).toMatchObject({
      labels: { b: "2" },
      pinned: true,
    });
    expect(apply({ type: "edit", labels: { b: "2" } }).labels).toEqual({ a: "1", b: "2" });
  });

  test("a requeue leaves alone what is not processed, or has run since the time that it names", () => {
    const at = (finished_time: string) => ({ exit_code: 1, finished_time });
    const since = "2026-01-01T00:00:01Z";
    const session: Session = {
      ...base,
      processed_files: ["old", "new", "same", "odd", "none"],
      pending_files: ["waits"],
      partial_results: {
        old: at("2026-01-01T00:00:00.999Z"),
        new: at("2026-01-01T00:00:01.001Z"),
        same: at("2026-01-01T01:00:01+01:00"),
        odd: at("yesterday"),
        waits: at("2026-01-01T00:00:00Z"),
      },
    };
    const files = ["none", "new", "same", "waits", "unknown", "odd", "old"];
    const now = "2026-01-01T00:00:02Z";
    const requeued = applyCommand(session, { type: "requeue", files, unlessFinishedSince: since }, now);
    expect(requeued).toMatchObject({
      processed_files: ["new", "same"],
      pending_files: ["waits", "none", "odd", "old"],
    });
    const command = { type: "requeue", files: ["new", "waits"], unlessFinishedSince: since } as const;
    expect(applyCommand(session, command, now)).toBe(session);
  });

  test("setting the status a session has changes nothing", () => {
    expect(apply({ type: "set_status", status: "running" })).toBe(base);
    expect(apply({ type: "set_status", status: "paused", reason: "r" })).toMatchObject({
      status: "paused",
      status_reason: "r",
    });
  });
});

test("repair leaves nothing repairable, and no file behind", () => {
  fc.assert(
    fc.property(session, (any) => {
      const mended = repair(any);
      expect(diagnose(mended).filter((finding) => finding.repairable)).toEqual([]);
      expect(new Set([...mended.processed_files, ...mended.pending_files])).toEqual(
        new Set([...any.processed_files, ...any.pending_files]),
      );
      expect(repair(mended)).toBe(mended);
    }),
  );
});
