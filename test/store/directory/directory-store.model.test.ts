/**
 * Random commands, other programs' edits and restarts among them, against a real directory and a plain map.
 * Whatever order they come in, the store, the index and the files agree with the map.
 */

import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isSessiondError } from "../../../src/error.ts";
import { parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import { silentLogger } from "../../../src/log.ts";
import { allSummaries } from "../../../src/retention/cleanup.ts";
import { applyCommand, type Command, type ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import { transitions, verbs } from "../../../src/session/transition.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { openDirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { fileFor } from "../../../src/store/directory/disk/session-codec.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { session as anySession, jsonObject } from "../../support/arbitraries.ts";
import { eventually } from "../../support/eventually.ts";
import { runs } from "../../support/runs.ts";

const ids = ["plain", "a/b", "сессия"] as SessionId[];
const id = fc.constantFrom(...ids);
const files = fc.uniqueArray(fc.constantFrom("a.ts", "b.ts", "c.ts", "d.ts"), { maxLength: 4 });

class Model {
  live = new Map<SessionId, Session>();
  trash = new Map<SessionId, Session[]>();
  /** Acknowledged reports that the JSON file does not hold yet: a document put in its place is given them. */
  unwritten = new Map<SessionId, ProgressDelta[]>();
  /**
   * As `unwritten`, of sessions that another program deleted. A daemon that is killed may not know any more
   * that they were deleted, and take a document without a generation for theirs.
   */
  orphaned = new Map<SessionId, ProgressDelta[]>();

  /** Another program deleted it. */
  lose(id: SessionId): void {
    this.orphaned.set(id, [...(this.orphaned.get(id) ?? []), ...(this.unwritten.get(id) ?? [])]);
    this.unwritten.delete(id);
    this.live.delete(id);
  }

  /** It has a document of ours: nothing of what was deleted can come back. */
  put(id: SessionId, session: Session): void {
    this.live.set(id, session);
    this.unwritten.delete(id);
    this.orphaned.delete(id);
  }
}

class Real {
  store!: DirectoryStore;
  directory: string;
  readonly #base: string;
  #kills = 0;

  constructor(base: string) {
    this.#base = base;
    this.directory = join(base, "0");
  }

  /** Goes on with what a kill at this moment would leave. */
  async kill(): Promise<void> {
    const next = join(this.#base, String(++this.#kills));
    await cp(this.directory, next, { recursive: true });
    await this.store.close();
    await rm(this.directory, { recursive: true, force: true });
    this.directory = next;
  }

  async open(): Promise<void> {
    this.store = await openDirectoryStore({
      directory: this.directory,
      rescanIntervalMs: 60_000,
      clock: systemClock(),
      logger: silentLogger,
      // Files follow only when something but a report makes them.
      maxLagMs: 3_600_000,
    });
  }
}

type Step = fc.AsyncCommand<Model, Real>;

/** The document without what the store counts by itself. */
function content(session: Session): unknown {
  const { revision: _, generation: __, checkpoint_time: ___, created_time: ____, ...rest } = session;
  return rest;
}

async function codeOf(task: Promise<unknown>): Promise<string> {
  try {
    await task;
    return "ok";
  } catch (error) {
    if (isSessiondError(error)) return error.code;
    throw error;
  }
}

function step(name: string, run: (model: Model, real: Real) => Promise<void>): Step {
  return { check: () => true, run, toString: () => name };
}

const create = fc.tuple(id, files).map(([session_id, pending_files]) =>
  step(`create ${session_id} ${pending_files}`, async (model, real) => {
    const outcome = real.store.create({ session_id, config: { target_path: "/x" }, pending_files });
    if (model.live.has(session_id)) {
      expect(await codeOf(outcome)).toBe("session_exists");
    } else {
      model.put(session_id, (await outcome).session);
    }
  }),
);

const command: fc.Arbitrary<Command> = fc.oneof(
  fc
    .record({ processed: files, added: files, results: jsonObject })
    .map((delta): Command => ({ type: "progress", delta })),
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
  step(`${change.type} ${session_id} ${stringifyJson(change)}`, async (model, real) => {
    const before = model.live.get(session_id);
    const outcome = real.store.apply(session_id, change);
    if (before === undefined) {
      expect(await codeOf(outcome)).toBe(
        model.trash.has(session_id) ? "session_deleted" : "session_not_found",
      );
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

const report = fc
  .tuple(
    id,
    fc.array(fc.record({ processed: files, added: files, results: jsonObject }), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([session_id, deltas]) =>
    step(`report ${session_id} ${stringifyJson(deltas)}`, async (model, real) => {
      const before = model.live.get(session_id);
      const outcomes = deltas.map((delta) => real.store.report(session_id, delta));
      if (before === undefined) {
        for (const outcome of outcomes) expect(await codeOf(outcome)).toMatch(/session_(deleted|not_found)/);
        return;
      }
      const expected = withDeltas(before, deltas);
      const replies = await Promise.all(outcomes);
      expect(replies.at(-1)).toMatchObject({
        status: expected.status,
        pending_count: expected.pending_files.length,
      });
      const { session } = await real.store.read(session_id);
      expect(content(session)).toEqual(content(expected));
      expect(session.revision).toBe(replies.at(-1)?.revision);
      model.live.set(session_id, session);
      model.orphaned.delete(session_id);
      model.unwritten.set(session_id, [...(model.unwritten.get(session_id) ?? []), ...deltas]);
    }),
  );

const save = fc.tuple(id, anySession).map(([session_id, any]) =>
  step(`save ${session_id}`, async (model, real) => {
    const { session } = await real.store.save({ ...any, session_id });
    expect(content(session)).toEqual(content({ ...any, session_id }));
    expect(session.checkpoint_time).toBe(any.checkpoint_time);
    model.put(session_id, session);
  }),
);

const remove = fc.tuple(id, fc.boolean()).map(([session_id, purge]) =>
  step(`${purge ? "purge" : "remove"} ${session_id}`, async (model, real) => {
    const before = model.live.get(session_id);
    const outcome = codeOf(real.store.remove(session_id, { reason: "test", purge }));
    if (before === undefined) expect(await outcome).toMatch(/session_(deleted|not_found)/);
    else expect(await outcome).toBe("ok");
    model.live.delete(session_id);
    model.unwritten.delete(session_id);
    if (before !== undefined) model.orphaned.delete(session_id);
    if (before !== undefined && !purge)
      model.trash.set(session_id, [...(model.trash.get(session_id) ?? []), before]);
  }),
);

const restore = id.map((session_id) =>
  step(`restore ${session_id}`, async (model, real) => {
    const outcome = codeOf(real.store.restoreTrash(session_id));
    const entries = model.trash.get(session_id) ?? [];
    if (entries.length === 0) return expect(await outcome).toBe("session_not_found");
    if (model.live.has(session_id)) return expect(await outcome).toBe("session_exists");
    expect(await outcome).toBe("ok");
    model.live.set(session_id, entries.at(-1) as Session);
    if (entries.length === 1) model.trash.delete(session_id);
    else model.trash.set(session_id, entries.slice(0, -1));
  }),
);

/** As the original module writes: a temporary file beside the target, then a rename. */
async function putOutside(model: Model, real: Real, document: Session): Promise<void> {
  const { session_id } = document;
  const name = model.live.has(session_id as SessionId) ? await fileOf(real, session_id) : fileFor(session_id);
  await writeFile(join(real.directory, `${name}.tmp`), stringifyJson(document, { indent: 2 }));
  await rename(join(real.directory, `${name}.tmp`), join(real.directory, name));
}

/** The document of another program, with the reports on top that were acknowledged and that no file holds. */
function withReports(model: Model, document: Session): Session {
  const id = document.session_id as SessionId;
  // A document of another generation is another session.
  const isSame = document.generation === undefined || document.generation === model.live.get(id)?.generation;
  if (!isSame) model.unwritten.delete(id);
  return withDeltas(document, model.unwritten.get(id) ?? []);
}

function withOrphaned(model: Model, document: Session): Session {
  const reports = model.orphaned.get(document.session_id as SessionId) ?? [];
  return document.generation === undefined ? withDeltas(document, reports) : document;
}

function withDeltas(document: Session, deltas: readonly ProgressDelta[]): Session {
  return deltas.reduce<Session>(
    (current, delta) => applyCommand(current, { type: "progress", delta }, ""),
    document,
  );
}

/** Of the same session, as a program writes that keeps what it read, or that knows only half of the keys. */
const document = fc
  .tuple(id, anySession, fc.constantFrom("own", "none", "as it was"))
  .map(([session_id, some, generation]) => (model: Model): Session => {
    const any: Session = { ...some, session_id };
    const { generation: _, ...rest } = any;
    const known = model.live.get(session_id)?.generation;
    // Whether a generation is another one can only be told from one that is known.
    if (generation === "own" && (known !== undefined || !model.live.has(session_id))) return any;
    return generation === "none" || known === undefined ? rest : { ...rest, generation: known };
  });

const editOutside = document.map((make) =>
  step("outside edit", async (model, real) => {
    const document = make(model);
    const session_id = document.session_id as SessionId;
    await putOutside(model, real, document);
    const revision = model.live.get(session_id)?.revision ?? 0;
    const { session } = await real.store.read(session_id);
    expect(content(session)).toEqual(content(withReports(model, document)));
    expect(session.revision).toBeGreaterThan(revision);
    model.live.set(session_id, session);
  }),
);

const deleteOutside = id.map((session_id) =>
  step(`outside delete ${session_id}`, async (model, real) => {
    if (!model.live.has(session_id)) return;
    await rm(join(real.directory, await fileOf(real, session_id)));
    expect(await codeOf(real.store.read(session_id))).toBe(
      model.trash.has(session_id) ? "session_deleted" : "session_not_found",
    );
    model.lose(session_id);
  }),
);

const restart = fc.constant(
  step("restart", async (model, real) => {
    await real.store.close();
    await real.open();
    model.unwritten.clear();
    model.orphaned.clear();
    for (const [session_id, { revision = 0 }] of model.live)
      expect((await real.store.summary(session_id)).revision).toBeGreaterThanOrEqual(revision);
  }),
);

const kill = fc.tuple(fc.option(document), fc.option(id)).map(([make, removed]) =>
  step(`kill ${make === null ? "" : "and edit "}${removed ?? ""}`, async (model, real) => {
    await real.kill();
    if (make !== null) {
      const document = make(model);
      const id = document.session_id as SessionId;
      await putOutside(model, real, document);
      model.live.set(id, { ...withReports(model, document) });
    }
    if (removed !== null && model.live.has(removed)) {
      await rm(join(real.directory, await fileOf(real, removed)));
      model.lose(removed);
    }
    await real.open();
    for (const [session_id, expected] of model.live) {
      const { session } = await real.store.read(session_id);
      const possible = [expected, withOrphaned(model, expected)].map(content);
      expect(possible).toContainEqual(content(session));
      model.live.set(session_id, session);
      model.orphaned.delete(session_id);
      // What was given back goes into the file before anything else happens here.
      await eventually(async () => expect(content(await onDisk(real, session_id))).toEqual(content(session)));
    }
    model.unwritten.clear();
  }),
);

async function onDisk(real: Real, session_id: string): Promise<Session> {
  const path = join(real.directory, await fileOf(real, session_id));
  return parseJson(await readFile(path, "utf8"), 500) as unknown as Session;
}

async function fileOf(real: Real, session_id: string): Promise<string> {
  for (const name of await readdir(real.directory)) {
    if (!name.endsWith(".json")) continue;
    const document = parseJson(await readFile(join(real.directory, name), "utf8"), 500) as {
      session_id?: string;
    };
    if (document.session_id === session_id) return name;
  }
  throw new Error(`no file holds ${session_id}`);
}

async function agree(model: Model, real: Real, isOnDisk: boolean): Promise<void> {
  expect(new Set((await allSummaries(real.store)).map((summary) => summary.session_id))).toEqual(
    new Set(model.live.keys()),
  );
  for (const [session_id, expected] of model.live) {
    const { session, summary } = await real.store.read(session_id);
    expect(content(session)).toEqual(content(expected));
    expect(summary).toMatchObject({
      status: expected.status,
      processed_count: expected.processed_files.length,
    });
    if (isOnDisk) expect(content(await onDisk(real, session_id))).toEqual(content(expected));
  }
  expect((await real.store.listTrash()).total).toBe([...model.trash.values()].flat().length);
  // The index may be being saved just now.
  await eventually(async () =>
    expect(await readdir(join(real.directory, ".sessiond", "staging"))).toEqual([]),
  );
}

test("the store agrees with a plain map, whatever happens in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(
        [
          create,
          apply,
          apply,
          report,
          report,
          save,
          remove,
          restore,
          editOutside,
          deleteOutside,
          restart,
          kill,
        ],
        {
          maxCommands: 30,
        },
      ),
      async (steps) => {
        const directory = await mkdtemp(join(tmpdir(), "sessiond-model-"));
        const real = new Real(directory);
        const model = new Model();
        await real.open();
        try {
          await fc.asyncModelRun(() => ({ model, real }), steps);
          await eventually(() => agree(model, real, false));
          await real.store.reconcile();
          await agree(model, real, false);
          await real.store.close();
          await real.open();
          await agree(model, real, true);
        } finally {
          await real.store.close();
          await rm(directory, { recursive: true, force: true });
        }
      },
    ),
    runs(30, 300),
  );
}, 240_000);
