/**
 * Reports, changes and other programs' writes, deletions and renames in any order: whatever is told of a
 * session is a state that it was in, each once, with every report that no file holds yet.
 *
 * Each document has a number of its own, which is how many files it has pending; it has none processed. So
 * what is told says which document it is (`pending_count`) and how many reports are in it
 * (`processed_count`).
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionEvent } from "../../../../src/contract/events.ts";
import { silentLogger } from "../../../../src/log.ts";
import { EventStreams } from "../../../../src/server/events/event-streams.ts";
import type { SessionSummary } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import { openDirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import type { StoreChange } from "../../../../src/store/session-store.ts";
import { systemClock } from "../../../../src/time/clock.ts";
import { runs } from "../../../support/runs.ts";
import { config, foreignSession, putOutside } from "../outside.ts";

const id = parseSessionId("s");
const names = ["s.json", "copy.json"] as const;
type Name = (typeof names)[number];

class World {
  readonly directory: string;
  readonly store: DirectoryStore;
  readonly generation: string;
  /** What was told wrongly. */
  readonly wrong: string[] = [];
  readonly #streams: EventStreams;
  readonly #reader;
  readonly #seen: SessionEvent[] = [];
  /** By document, how many reports its file holds, and whether it names the generation. */
  readonly #documents = new Map<number, { reports: number; isOwn: boolean }>([
    [1, { reports: 0, isOwn: true }],
  ]);
  /** Acknowledged, and in no file. */
  #unwritten = 0;
  /** Asked for, and not acknowledged. */
  #underWay = 0;
  /** Whether the reports in memory are known to be of the generation; undefined while there are none. */
  #isOwn: boolean | undefined;
  /** Reports wait for a file that is gone. */
  #isLost = false;
  readonly #garbage = new Set<Name>();
  #last: SessionSummary | undefined;
  #told: SessionSummary[];
  /** Whether it is a change that the session goes: renaming its file is none. */
  #mayGo = true;
  /** How many changes other programs made, at most. */
  #outside = 0;

  private constructor(directory: string, store: DirectoryStore, created: SessionSummary) {
    this.directory = directory;
    this.store = store;
    this.generation = created.generation as string;
    this.#last = created;
    this.#told = [created];
    store.changes.subscribe((change) => this.#changed(change));
    this.#streams = new EventStreams({ store, clock: systemClock(), logger: silentLogger });
    this.#reader = this.#streams.open({ session: undefined, kind: undefined, since: undefined }, undefined);
  }

  static async open(directory: string): Promise<World> {
    const store = await openDirectoryStore({
      directory,
      rescanIntervalMs: 60_000,
      clock: systemClock(),
      logger: silentLogger,
      // Files follow only when something but a report makes them.
      maxLagMs: 3_600_000,
    });
    const { summary } = await store.create({ session_id: id, config, pending_files: ["p0"] });
    return new World(directory, store, summary);
  }

  async report(count: number): Promise<void> {
    if (!(await this.store.has(id))) return;
    this.#underWay += count;
    const reports = Array.from({ length: count }, () =>
      this.store.report(id, { processed: [`report ${Math.random()}`] }).then(
        () => {
          this.#isOwn ??= this.#documents.get(this.#last?.pending_count ?? 0)?.isOwn;
          this.#unwritten++;
          this.#underWay--;
        },
        () => {
          this.#underWay--;
        },
      ),
    );
    await Promise.all(reports);
  }

  async edit(pinned: boolean): Promise<void> {
    if (!(await this.store.has(id))) return;
    const changed = await this.store.apply(id, { type: "edit", pinned }).catch(() => undefined);
    if (changed === undefined) return;
    const { pending_files, processed_files } = changed.session;
    const document = this.#documents.get(pending_files.length);
    this.#documents.set(pending_files.length, {
      isOwn: document?.isOwn ?? false,
      reports: processed_files.length,
    });
    this.#unwritten = 0;
  }

  /** Another program writes a document, whole. */
  write(name: Name, isOwn: boolean, year: number): void {
    const number = this.#documents.size + 1;
    this.#documents.set(number, { reports: 0, isOwn });
    this.#outside++;
    this.#garbage.delete(name);
    const document = foreignSession(id, {
      pending_files: Array.from({ length: number }, (_, n) => `p${n}`),
      checkpoint_time: `${year}-01-01T00:00:00Z`,
      ...(isOwn ? { generation: this.generation } : {}),
    });
    putOutside(this.directory, name, document);
  }

  /** Another program writes half of a document. */
  async spoil(name: Name): Promise<void> {
    await this.reconcile();
    if (!existsSync(join(this.directory, name))) return;
    this.#outside++;
    this.#garbage.add(name);
    writeFileSync(join(this.directory, name), "{");
    await this.reconcile();
  }

  async remove(name: Name): Promise<void> {
    await this.reconcile();
    if (!existsSync(join(this.directory, name))) return;
    this.#outside++;
    this.#garbage.delete(name);
    rmSync(join(this.directory, name));
    await this.reconcile();
    if (!(await this.store.has(id))) this.#isLost = true;
  }

  async rename(from: Name, to: Name): Promise<void> {
    await this.reconcile();
    if (!existsSync(join(this.directory, from)) || this.#garbage.size > 0) return;
    this.#outside++;
    this.#mayGo = false;
    renameSync(join(this.directory, from), join(this.directory, to));
    await this.reconcile();
    this.#mayGo = true;
  }

  async reconcile(): Promise<void> {
    await this.store.reconcile();
    if (!(await this.store.has(id))) return;
    this.#expect(await this.store.summary(id), "after all was compared");
  }

  /** What a reader of the events has been told by now. */
  events(): SessionEvent[] {
    for (let piece = this.#reader.read(); piece !== null; piece = this.#reader.read()) {
      for (const [, data] of String(piece).matchAll(/^data: (.*)$/gm)) {
        const event = JSON.parse(data as string) as SessionEvent;
        if ("session_id" in event) this.#seen.push(event);
      }
    }
    return this.#seen;
  }

  /**
   * The states that the events tell of come in the order in which the listener was told of them, none of them
   * twice.
   */
  checkEvents(): void {
    let at = 0;
    let [progressed, gone] = [0, false];
    for (const event of this.events()) {
      const of = ({ revision, pending_count, processed_count }: typeof event | SessionSummary) =>
        [revision, pending_count, processed_count].join();
      const place = this.#told.findIndex((summary, index) => index >= at && of(summary) === of(event));
      if (place === -1) this.wrong.push(`event out of order: ${JSON.stringify(event)}`);
      else at = place;
      if (event.kind === "session.deleted") gone = true;
      else if ((event.kind === "session.created") !== gone)
        this.wrong.push(`not there: ${JSON.stringify(event)}`);
      else gone = false;
      if (event.kind !== "session.progress") continue;
      if (event.revision <= progressed) this.wrong.push(`told twice: ${JSON.stringify(event)}`);
      progressed = event.revision;
    }
  }

  async close(): Promise<void> {
    this.#reader.destroy();
    this.#streams.close();
    await this.store.close();
  }

  #changed({ before, after, origin }: StoreChange): void {
    if (before !== undefined && before !== this.#last) this.wrong.push("a change from what was not told");
    if (origin === "outside" && this.#outside-- === 0)
      this.wrong.push("one outside change was told as several");
    if (after === undefined && !this.#mayGo) this.wrong.push("a file that was renamed was told to be gone");
    if (after !== undefined) {
      if (before === undefined) this.#found(after);
      this.#expect(after, origin);
      const last = this.#told.at(-1) as SessionSummary;
      const isSame =
        after.pending_count === last.pending_count &&
        after.processed_count === last.processed_count &&
        after.pinned === last.pinned;
      if (after.revision < last.revision || (after.revision === last.revision && !isSame))
        this.wrong.push(`revision ${after.revision} came after ${last.revision}`);
      if (origin === "outside" && !names.some((name) => this.#numberIn(name) === after.pending_count))
        this.wrong.push("the document that was told is in no file");
      this.#told.push(after);
    }
    this.#last = after;
  }

  /** A session is there again. */
  #found({ pending_count }: SessionSummary): void {
    const isOwn = this.#documents.get(pending_count)?.isOwn;
    if (this.#isLost && !(isOwn && this.#isOwn)) {
      this.#unwritten = 0;
      this.#isOwn = undefined;
    }
    this.#isLost = false;
  }

  #expect({ pending_count, processed_count }: SessionSummary, when: string): void {
    const document = this.#documents.get(pending_count);
    if (this.#isOwn === false) this.#isOwn = document?.isOwn;
    const least = (document?.reports ?? 0) + this.#unwritten;
    if (processed_count < least || processed_count > least + this.#underWay)
      this.wrong.push(`${when}: ${processed_count} reports in document ${pending_count}, not ${least}`);
  }

  #numberIn(name: Name): number | undefined {
    try {
      return JSON.parse(readFileSync(join(this.directory, name), "utf8")).pending_files.length;
    } catch {
      return undefined;
    }
  }
}

const name = fc.constantFrom(...names);
type Step = (world: World) => unknown;

function step(what: string, run: Step): { what: string; run: Step } {
  return { what, run };
}

const steps = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((n) => step(`report ${n}`, (w) => w.report(n))),
  },
  // Not awaited: it is under way while other things happen.
  fc.integer({ min: 1, max: 3 }).map((n) => step(`begin to report ${n}`, (w) => void w.report(n))),
  fc.constant(step("summary", async ({ store }) => (await store.has(id)) && (await store.summary(id)))),
  fc.constant(step("list", ({ store }) => store.list())),
  fc.constant(step("settle", ({ store }) => void store.changes.announceReports(10))),
  fc.boolean().map((pinned) => step(`edit ${pinned}`, (w) => w.edit(pinned))),
  {
    weight: 3,
    arbitrary: fc
      .tuple(name, fc.boolean(), fc.constantFrom(2018, 2020, 2022))
      .map(([name, isOwn, year]) =>
        step(`write ${name} ${isOwn} ${year}`, (w) => w.write(name, isOwn, year)),
      ),
  },
  name.map((name) => step(`spoil ${name}`, (w) => w.spoil(name))),
  name.map((name) => step(`remove ${name}`, (w) => w.remove(name))),
  fc
    .constantFrom(names, names.toReversed() as [Name, Name])
    .map(([from, to]) => step(`rename ${from} ${to}`, (w) => w.rename(from as Name, to as Name))),
  { weight: 3, arbitrary: fc.constant(step("reconcile", (w) => w.reconcile())) },
);

test("no listener and no reader of events is told of progress that falls back, or of one report twice", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 25 }), async (all) => {
      const directory = await mkdtemp(join(tmpdir(), "sessiond-told-"));
      const world = await World.open(directory);
      try {
        for (const { run } of all) {
          await run(world);
          expect(world.wrong, all.map(({ what }) => what).join(", ")).toEqual([]);
        }
        await world.report(0);
        await world.reconcile();
        while (world.store.changes.announceReports(10));
        world.checkEvents();
        expect(world.wrong, all.map(({ what }) => what).join(", ")).toEqual([]);
      } finally {
        await world.close();
        await rm(directory, { recursive: true, force: true });
      }
    }),
    runs(30, 300),
  );
}, 60_000);
