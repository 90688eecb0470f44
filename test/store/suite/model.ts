/**
 * A plain map that a store is compared with, and the random steps that both take. A backend whose sessions
 * other programs change adds steps of its own.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { stringifyJson } from "../../../src/json/exact-json.ts";
import { applyCommand, type Command, type ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import { transitions, verbs } from "../../../src/session/transition.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { allSummaries } from "../../support/all-summaries.ts";
import { session as anySession, jsonObject } from "../../support/arbitraries.ts";
import { codeOf, type OpenedStore } from "./opened-store.ts";

export class Model {
  readonly live = new Map<SessionId, Session>();
  /** Oldest first. */
  readonly trash = new Map<SessionId, Session[]>();
  readonly backups = new Map<string, Session>();

  /** It was changed, in another way than by a report. */
  put(id: SessionId, session: Session): void {
    this.live.set(id, session);
  }

  reported(id: SessionId, session: Session, _deltas: readonly ProgressDelta[]): void {
    this.live.set(id, session);
  }

  removed(id: SessionId, purge: boolean): void {
    const before = this.live.get(id);
    this.live.delete(id);
    if (before !== undefined && !purge) this.trash.set(id, [...(this.trash.get(id) ?? []), before]);
  }

  /** The newest came back from the trash. */
  restored(id: SessionId): void {
    const entries = this.trash.get(id) ?? [];
    this.live.set(id, entries.at(-1) as Session);
    if (entries.length === 1) this.trash.delete(id);
    else this.trash.set(id, entries.slice(0, -1));
  }
}

type Asked = Pick<OpenedStore, "store">;

const ids = ["plain", "a/b", "сессия"] as SessionId[];
export const id = fc.constantFrom(...ids);
const files = fc.uniqueArray(fc.constantFrom("a.ts", "b.ts", "c.ts", "d.ts"), { maxLength: 4 });
const delta: fc.Arbitrary<ProgressDelta> = fc.record({ processed: files, added: files, results: jsonObject });

/** The document without what the store counts by itself. */
export function content(session: Session): unknown {
  const { revision: _, generation: __, checkpoint_time: ___, created_time: ____, ...rest } = session;
  return rest;
}

export function withDeltas(document: Session, deltas: readonly ProgressDelta[]): Session {
  return deltas.reduce<Session>(
    (current, delta) => applyCommand(current, { type: "progress", delta }, ""),
    document,
  );
}

export function step<M extends Model, S extends Asked>(
  name: string,
  run: (model: M, opened: S) => Promise<void>,
): fc.AsyncCommand<M, S> {
  return { check: () => true, run, toString: () => name };
}

const create = fc.tuple(id, files).map(([session_id, pending_files]) =>
  step(`create ${session_id} ${pending_files}`, async (model, { store }) => {
    const outcome = store.create({ session_id, config: { target_path: "/x" }, pending_files });
    if (model.live.has(session_id)) expect(await codeOf(outcome)).toBe("session_exists");
    else model.put(session_id, (await outcome).session);
  }),
);

const command: fc.Arbitrary<Command> = fc.oneof(
  delta.map((delta): Command => ({ type: "progress", delta })),
  fc.constantFrom(...verbs).map((verb): Command => ({ type: "transition", verb })),
  fc.tuple(files, files).map(
    ([processed_files, pending_files]): Command => ({
      type: "checkpoint",
      checkpoint: { processed_files, pending_files },
    }),
  ),
  fc.boolean().map((pinned): Command => ({ type: "edit", pinned, labels: { tag: pinned ? "x" : null } })),
);

const apply = fc.tuple(id, command).map(([session_id, change]) =>
  step(`${change.type} ${session_id} ${stringifyJson(change)}`, async (model, { store }) => {
    const before = model.live.get(session_id);
    const outcome = store.apply(session_id, change);
    if (before === undefined) {
      expect(await codeOf(outcome)).toBe(missing(model, session_id));
    } else if (change.type === "transition" && !(change.verb in transitions[before.status])) {
      expect(await codeOf(outcome)).toBe("invalid_transition");
    } else {
      const { session } = await outcome;
      expect(content(session)).toEqual(content(applyCommand(before, change, "")));
      expect(session.revision).toBeGreaterThan(before.revision as number);
      model.put(session_id, session);
    }
  }),
);

const report = fc.tuple(id, fc.array(delta, { minLength: 1, maxLength: 3 })).map(([session_id, deltas]) =>
  step(`report ${session_id} ${stringifyJson(deltas)}`, async (model, { store }) => {
    const before = model.live.get(session_id);
    const outcomes = deltas.map((delta) => store.report(session_id, delta));
    if (before === undefined) {
      for (const outcome of outcomes) expect(await codeOf(outcome)).toBe(missing(model, session_id));
      return;
    }
    const expected = withDeltas(before, deltas);
    const replies = await Promise.all(outcomes);
    expect(replies.at(-1)).toMatchObject({
      status: expected.status,
      pending_count: expected.pending_files.length,
    });
    const { session } = await store.read(session_id);
    expect(content(session)).toEqual(content(expected));
    expect(session.revision).toBe(replies.at(-1)?.revision);
    model.reported(session_id, session, deltas);
  }),
);

const save = fc.tuple(id, anySession).map(([session_id, any]) =>
  step(`save ${session_id}`, async (model, { store }) => {
    const { session, created } = await store.save({ ...any, session_id });
    expect(created).toBe(!model.live.has(session_id));
    expect(content(session)).toEqual(content({ ...any, session_id }));
    expect(session.checkpoint_time).toBe(any.checkpoint_time);
    model.put(session_id, session);
  }),
);

const remove = fc.tuple(id, fc.boolean()).map(([session_id, purge]) =>
  step(`${purge ? "purge" : "remove"} ${session_id}`, async (model, { store }) => {
    const outcome = await codeOf(store.remove(session_id, { reason: "test", purge }));
    expect(outcome).toBe(model.live.has(session_id) ? "ok" : missing(model, session_id));
    model.removed(session_id, purge);
  }),
);

const restore = id.map((session_id) =>
  step(`restore ${session_id}`, async (model, { store }) => {
    const outcome = await codeOf(store.restoreTrash(session_id));
    if (!model.trash.has(session_id)) return expect(outcome).toBe("session_not_found");
    if (model.live.has(session_id)) return expect(outcome).toBe("session_exists");
    expect(outcome).toBe("ok");
    model.restored(session_id);
  }),
);

/** What any store can be asked. */
export const steps = [create, apply, apply, report, report, save, remove, restore];

export function missing(model: Model, id: SessionId): string {
  return model.trash.has(id) ? "session_deleted" : "session_not_found";
}

/** The store has what the model has, and nothing else. */
export async function agree(model: Model, store: SessionStore): Promise<void> {
  const summaries = await allSummaries(store);
  expect(new Set(summaries.map(({ session_id }) => session_id))).toEqual(new Set(model.live.keys()));
  expect((await store.stats()).total).toBe(model.live.size);
  for (const [session_id, expected] of model.live) {
    const { session, summary } = await store.read(session_id);
    expect(content(session)).toEqual(content(expected));
    expect(summary).toMatchObject({
      status: expected.status,
      processed_count: expected.processed_files.length,
      pending_count: expected.pending_files.length,
    });
    expect(summary.revision).toBe(session.revision);
  }
  expect((await store.listTrash()).total).toBe([...model.trash.values()].flat().length);
}
