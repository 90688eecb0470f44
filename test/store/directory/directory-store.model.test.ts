/**
 * As the model test of the suite, with other programs that edit and delete the files, also while no store is
 * open. Whatever order it all comes in, the store, the index and the files agree with the map.
 */

import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import { silentLogger } from "../../../src/log.ts";
import type { ProgressDelta } from "../../../src/session/command.ts";
import type { Session } from "../../../src/session/session.ts";
import type { SessionId } from "../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { openDirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { fileFor } from "../../../src/store/directory/disk/session-file.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { session as anySession } from "../../support/arbitraries.ts";
import { eventually } from "../../support/eventually.ts";
import { runs } from "../../support/runs.ts";
import {
  agree,
  content,
  id,
  missing,
  Model as NeutralModel,
  step,
  steps,
  withDeltas,
} from "../suite/model.ts";
import { codeOf } from "../suite/opened-store.ts";

class Model extends NeutralModel {
  /** Acknowledged reports that the JSON file does not hold yet: a document put in its place is given them. */
  readonly unwritten = new Map<SessionId, ProgressDelta[]>();
  /**
   * As `unwritten`, of sessions that another program deleted. A daemon that is killed may not know any more
   * that they were deleted, and take a document without a generation for theirs.
   */
  readonly orphaned = new Map<SessionId, ProgressDelta[]>();

  /** It has a document of ours: nothing of what was deleted can come back. */
  override put(id: SessionId, session: Session): void {
    super.put(id, session);
    this.unwritten.delete(id);
    this.orphaned.delete(id);
  }

  override reported(id: SessionId, session: Session, deltas: readonly ProgressDelta[]): void {
    super.reported(id, session, deltas);
    this.orphaned.delete(id);
    this.unwritten.set(id, [...(this.unwritten.get(id) ?? []), ...deltas]);
  }

  override removed(id: SessionId, purge: boolean): void {
    if (this.live.has(id)) this.orphaned.delete(id);
    super.removed(id, purge);
    this.unwritten.delete(id);
  }

  /** Another program deleted it. */
  lose(id: SessionId): void {
    this.orphaned.set(id, [...(this.orphaned.get(id) ?? []), ...(this.unwritten.get(id) ?? [])]);
    this.unwritten.delete(id);
    this.live.delete(id);
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
  step("outside edit", async (model: Model, real: Real) => {
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
  step(`outside delete ${session_id}`, async (model: Model, real: Real) => {
    if (!model.live.has(session_id)) return;
    await rm(join(real.directory, await fileOf(real, session_id)));
    expect(await codeOf(real.store.read(session_id))).toBe(missing(model, session_id));
    model.lose(session_id);
  }),
);

const restart = fc.constant(
  step("restart", async (model: Model, real: Real) => {
    await real.store.close();
    await real.open();
    model.unwritten.clear();
    model.orphaned.clear();
    for (const [session_id, { revision = 0 }] of model.live)
      expect((await real.store.summary(session_id)).revision).toBeGreaterThanOrEqual(revision);
  }),
);

const kill = fc.tuple(fc.option(document), fc.option(id)).map(([make, removed]) =>
  step(`kill ${make === null ? "" : "and edit "}${removed ?? ""}`, async (model: Model, real: Real) => {
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

async function agreeOnDisk(model: Model, real: Real): Promise<void> {
  await agree(model, real.store);
  for (const [session_id, expected] of model.live)
    expect(content(await onDisk(real, session_id))).toEqual(content(expected));
}

/** The index may be being saved just now. */
function nothingStaged(real: Real): Promise<void> {
  return eventually(async () =>
    expect(await readdir(join(real.directory, ".sessiond", "staging"))).toEqual([]),
  );
}

test("the store agrees with a plain map, whatever happens in whatever order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands([...steps, editOutside, deleteOutside, restart, kill], { maxCommands: 30 }),
      async (commands) => {
        const directory = await mkdtemp(join(tmpdir(), "sessiond-model-"));
        const real = new Real(directory);
        const model = new Model();
        await real.open();
        try {
          await fc.asyncModelRun(() => ({ model, real }), commands);
          await eventually(() => agree(model, real.store));
          await real.store.reconcile();
          await agree(model, real.store);
          await nothingStaged(real);
          await real.store.close();
          await real.open();
          await agreeOnDisk(model, real);
          await nothingStaged(real);
        } finally {
          await real.store.close();
          await rm(directory, { recursive: true, force: true });
        }
      },
    ),
    runs(15, 300),
  );
}, 240_000);
