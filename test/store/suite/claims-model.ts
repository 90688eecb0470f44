/**
 * What workers of a shared session may do in any order, compared with a plain model: which lease holds which
 * file, what is pending, what is processed, and with which result.
 */
import fc from "fast-check";
import { expect } from "vitest";
import { parseSessionId, type SessionId } from "../../../src/session/session-id.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { codeOf, config, type OpenedStore, restarts } from "./opened-store.ts";

export const shared: SessionId = parseSessionId("shared");

interface Worker {
  epoch: number;
  token: string;
  /** The last report, which its worker may send again: its answer may have been lost. */
  last: { file: string; result: number } | undefined;
}

export class ClaimsModel {
  pending: string[] = [];
  processed: string[] = [];
  readonly results = new Map<string, number>();
  isRunning = true;
  readonly workers: Worker[] = [];
  readonly holder = new Map<string, Worker>();
  /** Epochs and tokens that are over. */
  readonly over: number[] = [];
  readonly overTokens: string[] = [];
  /** How often a result was merged, and how many files were handed out to be worked on. */
  merged = 0;
  handedOut = 0;
  #names = 0;

  newName(): string {
    return `f${++this.#names}`;
  }

  get free(): string[] {
    return this.pending.filter((file) => !this.holder.has(file));
  }

  heldBy(worker: Worker): string[] {
    return this.pending.filter((file) => this.holder.get(file) === worker);
  }

  hold(file: string, worker: number): void {
    this.holder.set(file, this.workers[worker] as Worker);
    this.handedOut++;
  }

  finish(file: string, result: number): void {
    this.holder.delete(file);
    this.pending = this.pending.filter((one) => one !== file);
    this.processed.push(file);
    this.results.set(file, result);
    this.merged++;
  }

  end(worker: Worker): void {
    this.workers.splice(this.workers.indexOf(worker), 1);
    for (const [file, holder] of this.holder) if (holder === worker) this.holder.delete(file);
    this.over.push(worker.epoch);
    this.overTokens.push(worker.token);
  }
}

/** Picks one of those that are there. */
type Pick = <T>(from: readonly T[]) => T | undefined;
export type Run = (model: ClaimsModel, opened: OpenedStore, pick: Pick) => Promise<void>;

export const steps: Readonly<Record<string, Run>> = {
  async attach(model, { store }) {
    const { lease, token } = await store.leases.acquire(shared, { shared: true });
    model.workers.push({ epoch: lease.epoch, token, last: undefined });
  },

  async take(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    const count = pick([1, 1, 2, 5]) ?? 1;
    const { free } = model;
    const fair = Math.max(1, Math.ceil(free.length / model.workers.length));
    const expected = model.isRunning ? free.slice(0, Math.min(count, fair)) : [];
    expect(await store.claims.take(shared, worker.epoch, count)).toEqual({
      files: expected,
      left: model.pending.length,
      free: free.length - expected.length,
    });
    for (const file of expected) model.holder.set(file, worker);
    model.handedOut += expected.length;
  },

  async "take at once"(model, { store }) {
    const { free } = model;
    const taken = await Promise.all(model.workers.map(({ epoch }) => store.claims.take(shared, epoch, 1)));
    const files = taken.flatMap((one) => one.files);
    expect(files).toEqual(model.isRunning ? free.slice(0, model.workers.length) : []);
    for (const [index, one] of taken.entries()) for (const file of one.files) model.hold(file, index);
  },

  async report(model, { store }, pick) {
    const worker = pick(model.workers);
    const file = worker && pick(model.heldBy(worker));
    if (worker === undefined || file === undefined) return;
    const result = model.merged;
    const added = pick([[], [], [model.newName()], [file, model.newName()]]) ?? [];
    const delta = { processed: [file], results: { [file]: result }, added };
    const reply = await store.report(shared, delta, { epoch: worker.epoch });
    model.finish(file, result);
    model.pending.push(...added.filter((one) => one !== file));
    worker.last = { file, result };
    expect(reply).toMatchObject({
      processed_count: model.processed.length,
      pending_count: model.pending.length,
    });
  },

  async "report again"(model, { store }, pick) {
    const worker = pick(model.workers.filter(({ last }) => last !== undefined));
    if (worker?.last === undefined) return;
    const { file, result } = worker.last;
    const isHeld = model.holder.get(file) === worker;
    const isDone = model.processed.includes(file);
    const delta = { processed: [file], results: { [file]: isHeld ? model.merged : -result - 1 } };
    const code = await codeOf(store.report(shared, delta, { epoch: worker.epoch }));
    expect(code).toBe(isHeld || isDone ? "ok" : "not_claimed");
    if (isHeld) model.finish(file, model.merged);
  },

  async "report what is another's"(model, { store }, pick) {
    const worker = pick(model.workers);
    const file = worker && pick(model.pending.filter((one) => model.holder.get(one) !== worker));
    if (worker === undefined || file === undefined) return;
    const { epoch } = worker;
    const own = pick(model.heldBy(worker));
    const processed = own === undefined ? [file] : [own, file];
    expect(await codeOf(store.report(shared, { processed }, { epoch }))).toBe("not_claimed");
    expect(await codeOf(store.report(shared, { results: { [file]: 0 } }, { epoch }))).toBe("not_claimed");
    expect(await codeOf(store.claims.giveBack(shared, epoch, processed))).toBe("not_claimed");
    expect(await codeOf(store.report(shared, { added: ["no"] }))).toBe("lease_held");
  },

  async "give back"(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    const held = model.heldBy(worker);
    const files = held.slice(0, pick([1, 2, held.length]));
    await store.claims.giveBack(shared, worker.epoch, files);
    for (const file of files) model.holder.delete(file);
  },

  async "come back"(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    const { token } = worker;
    // What was asked for over the lost connection may still be under way.
    const under = store.claims.take(shared, worker.epoch, 1).catch(() => undefined);
    const { free } = model;
    const { epoch } = (await store.leases.acquire(shared, { shared: true, token })).lease;
    await under;
    if (model.isRunning && free[0] !== undefined) {
      model.holder.set(free[0], worker);
      model.handedOut++;
    }
    model.over.push(worker.epoch);
    worker.epoch = epoch;
    expect(await store.claims.held(shared, epoch)).toEqual(model.heldBy(worker));
  },

  async end(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    await store.leases.release(shared, worker.epoch);
    model.end(worker);
  },

  async "end while a report is under way"(model, { store }, pick) {
    const worker = pick(model.workers);
    const file = worker && pick(model.heldBy(worker));
    if (worker === undefined || file === undefined) return;
    const { epoch } = worker;
    const result = model.merged;
    const reported = store.report(shared, { processed: [file], results: { [file]: result } }, { epoch });
    await Promise.all([reported, store.leases.release(shared, epoch)]);
    model.finish(file, result);
    model.end(worker);
  },

  async late(model, { store }, pick) {
    const epoch = pick(model.over);
    const token = pick(model.overTokens);
    if (epoch !== undefined) {
      expect(await codeOf(store.claims.take(shared, epoch, 1))).toBe("lease_lost");
      expect(await codeOf(store.report(shared, {}, { epoch }))).toBe("lease_lost");
    }
    if (token !== undefined)
      expect(await codeOf(store.leases.acquire(shared, { shared: true, token }))).toBe("lease_lost");
    const alone = await codeOf(
      store.leases.acquire(shared, {}).then(({ lease: { epoch } }) => store.leases.release(shared, epoch)),
    );
    expect(alone).toBe(model.workers.length === 0 ? "ok" : "lease_held");
  },

  async requeue(model, { store }, pick) {
    const files = [pick(model.processed), pick(model.free), pick(model.processed)].filter(
      (file) => file !== undefined,
    );
    await store.apply(shared, { type: "requeue", files });
    const again = [...new Set(files)].filter((file) => model.processed.includes(file));
    model.processed = model.processed.filter((file) => !again.includes(file));
    model.pending.push(...again);
    const claimed = pick([...model.holder.keys()]);
    if (claimed === undefined) return;
    const refused = store.apply(shared, { type: "requeue", files: [...model.processed, claimed] });
    expect(await codeOf(refused)).toBe("not_claimed");
  },

  async checkpoint(model, { store }, pick) {
    const worker = pick(model.workers);
    if (worker === undefined) return;
    const gone = pick(model.pending);
    const moved = pick(model.pending);
    const pending_files = model.pending.filter((file) => file !== gone && file !== moved).reverse();
    const processed_files = moved === undefined ? model.processed : [...model.processed, moved];
    await store.apply(
      shared,
      { type: "checkpoint", checkpoint: { processed_files, pending_files } },
      { epoch: worker.epoch },
    );
    model.pending = pending_files;
    model.processed = [...processed_files];
    for (const file of [gone, moved]) if (file !== undefined) model.holder.delete(file);
  },

  async "pause or resume"(model, { store }) {
    await store.apply(shared, { type: "transition", verb: model.isRunning ? "pause" : "resume" });
    model.isRunning = !model.isRunning;
  },

  async add(model, { store }, pick) {
    const added = [model.newName(), model.newName()];
    const { epoch } = pick(model.workers) ?? {};
    await store.report(shared, { added }, { epoch });
    model.pending.push(...added);
  },

  restart: (_, opened) => restarts.restart(opened),
  kill: (_, opened) => restarts.kill(opened),
};

/** Steps that happen more often than the others. */
const often = ["attach", "take", "take", "take at once", "report", "report", "report", "kill", "come back"];

const step = fc.record({
  name: fc.constantFrom(...Object.keys(steps), ...often),
  choices: fc.array(fc.nat(), { minLength: 4, maxLength: 4 }),
});

export const anySteps = fc.array(step, { minLength: 5, maxLength: 60, size: "max" });
export type Steps = typeof anySteps extends fc.Arbitrary<infer T> ? T : never;

/** `known`: what each step does. */
export async function runSteps(opened: OpenedStore, all: Steps, known = steps): Promise<void> {
  const model = new ClaimsModel();
  model.pending = Array.from({ length: 6 }, () => model.newName());
  await opened.store.create({ session_id: shared, config, pending_files: model.pending });
  for (const { name, choices } of all) {
    let chosen = 0;
    const pick: Pick = (from) => from[(choices[chosen++ % choices.length] ?? 0) % from.length];
    await known[name]?.(model, opened, pick);
    await agree(model, opened.store);
  }
}

/** No file is claimed by two, and none is forgotten: each is processed, claimed, or free. */
async function agree(model: ClaimsModel, store: SessionStore): Promise<void> {
  const { session } = await store.read(shared);
  expect(session.pending_files).toEqual(model.pending);
  expect(session.processed_files).toEqual(model.processed);
  expect(new Map(Object.entries(session.partial_results))).toEqual(model.results);
  const held = new Map<number, number>();
  for (const worker of model.workers) {
    const files = await store.claims.held(shared, worker.epoch);
    expect(files).toEqual(model.heldBy(worker));
    held.set(worker.epoch, files.length);
  }
  expect(await store.claims.counts(shared)).toEqual(held);
}
