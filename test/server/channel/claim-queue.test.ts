/**
 * Who is handed files, in which order and how many, by example and by property, before a store of plain
 * lists.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ClaimAnswer, type Claimant, ClaimQueue } from "../../../src/server/channel/claim-queue.ts";
import { ClaimQueues } from "../../../src/server/channel/claim-queues.ts";
import type { SessionSummary } from "../../../src/session/session.ts";
import { runs } from "../../support/runs.ts";

/** A session of a store: files that are free, and those that each worker has claimed. */
class Files {
  free: string[];
  readonly claimed = new Map<number, string[]>();
  takes = 0;

  readonly #workers: number;

  constructor(count: number, workers: number) {
    this.#workers = workers;
    this.free = Array.from({ length: count }, (_, at) => `f${at}`);
  }

  get left(): number {
    return this.free.length + [...this.claimed.values()].reduce((sum, files) => sum + files.length, 0);
  }

  take = async (epoch: number, count: number) => {
    this.takes++;
    const fairPart = Math.max(1, Math.ceil(this.free.length / this.#workers));
    const files = this.free.splice(0, Math.min(count, fairPart));
    this.claimed.set(epoch, [...(this.claimed.get(epoch) ?? []), ...files]);
    return { files, left: this.left, free: this.free.length };
  };
}

class Worker implements Claimant {
  readonly epoch: number;
  readonly queue: ClaimQueue;
  readonly answers: [seq: number, answer: ClaimAnswer | "refused" | "dropped"][] = [];
  #seq = 0;

  constructor(epoch: number, queue: ClaimQueue) {
    this.epoch = epoch;
    this.queue = queue;
  }

  get open(): number {
    return this.#seq - this.answers.length;
  }

  claim(count = 1): this {
    this.queue.add(this, { seq: ++this.#seq, count });
    return this;
  }

  claimed(seq: number, answer: ClaimAnswer): void {
    this.answers.push([seq, answer]);
  }

  refused(seq: number): void {
    this.answers.push([seq, "refused"]);
  }

  dropped(seq: number): void {
    this.answers.push([seq, "dropped"]);
  }

  /** The files of each answer. */
  get files(): (readonly string[])[] {
    return this.answers.map(([, answer]) => (typeof answer === "string" ? [answer] : answer.files));
  }
}

function scene(count: number, workers: number) {
  const files = new Files(count, workers);
  const queue = new ClaimQueue({ take: files.take, workers: async () => workers });
  return { files, queue, workers: Array.from({ length: workers }, (_, at) => new Worker(at + 1, queue)) };
}

/** Until nothing is under way any more: a promise resolves in the same turn. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("files are taken for all that wait, as many as are free, one claim of each worker at a time", async () => {
  const { files, workers } = scene(101, 4);
  const [first, second] = workers as [Worker, Worker];
  first.claim(1);
  await settled();
  expect(first.files).toEqual([["f0"]]);
  first.claim(1000).claim(10);
  second.claim(1000);
  await settled();
  expect(first.answers.map(([, answer]) => typeof answer !== "string" && answer.files.length)).toEqual([
    1, 25, 10,
  ]);
  expect(second.files[0]).toHaveLength(19);
  expect(second.answers[0]?.[1]).toMatchObject({ left: 101, workers: 4 });
  expect(files.free).toHaveLength(101 - 1 - 25 - 10 - 19);
});

test("one of many that wait tries when a file is free, and the others when there are more", async () => {
  const { files, queue, workers } = scene(0, 64);
  files.claimed.set(99, ["held"]);
  for (const worker of workers) worker.claim(5);
  await settled();
  expect([files.takes, workers[0]?.answers]).toEqual([1, []]);
  files.free = ["a"];
  queue.wake();
  await settled();
  expect(files.takes).toBe(2);
  expect(workers.map((worker) => worker.files)).toEqual([[["a"]], ...Array(63).fill([])]);
  files.free = Array.from({ length: 40 }, (_, at) => `b${at}`);
  queue.wake();
  await settled();
  expect(files.takes).toBe(2 + 40);
  expect(workers.filter(({ open }) => open === 0)).toHaveLength(41);
});

test("claims wait while the session is paused, and are answered with no file when it has ended", async () => {
  const { files, queue, workers } = scene(3, 2);
  const [first, second] = workers as [Worker, Worker];
  queue.follow({ status: "paused", revision: 1, pending_count: 3 });
  first.claim().claim();
  second.claim();
  queue.wake();
  await settled();
  expect([files.takes, first.answers]).toEqual([0, []]);
  queue.follow({ status: "running", revision: 1, pending_count: 3 });
  await settled();
  expect(first.files).toEqual([["f0"], ["f2"]]);
  expect(second.files).toEqual([["f1"]]);
  second.claim().claim();
  await settled();
  expect(second.open).toBe(2);
  queue.follow({ status: "completed", revision: 1, pending_count: 3 });
  second.claim();
  expect(second.answers.slice(1)).toEqual([2, 3, 4].map((seq) => [seq, { files: [], left: 3, workers: 2 }]));
});

test("all claims are answered when nothing is pending any more", async () => {
  const { files, queue, workers } = scene(1, 3);
  for (const worker of workers) worker.claim().claim();
  await settled();
  expect(workers.map((worker) => worker.files)).toEqual([[["f0"]], [], []]);
  files.claimed.clear();
  queue.wake();
  await settled();
  expect(workers.map((worker) => worker.files)).toEqual([
    [["f0"], []],
    [[], []],
    [[], []],
  ]);
  expect(workers[2]?.answers[0]?.[1]).toMatchObject({ left: 0 });
});

test("what becomes free while nothing was found is not missed", async () => {
  const { files, queue, workers } = scene(0, 1);
  const [worker] = workers as [Worker];
  files.claimed.set(99, ["held"]);
  const { take } = files;
  const slow = new ClaimQueue({
    async take(epoch, count) {
      const taken = await take(epoch, count);
      if (files.takes === 1) {
        files.free = ["late"];
        slow.wake();
      }
      return taken;
    },
    workers: async () => 1,
  });
  slow.add(worker, { seq: 1, count: 1 });
  await settled();
  expect(worker.files).toEqual([["late"]]);
  queue.drop(worker);
});

test("no claim waits beside a free file, in whatever order files are found for others", async () => {
  const { files, workers } = scene(4, 2);
  const found: (() => void)[] = [];
  const queue = new ClaimQueue({
    async take(epoch, count) {
      const { files: taken } = await files.take(epoch, count);
      await new Promise<void>((resolve) => found.push(resolve));
      return { files: taken, left: files.left, free: files.free.length };
    },
    workers: async () => 2,
  });
  const [first, second] = workers as [Worker, Worker];
  const goOn = async () => {
    await settled();
    const count = found.length;
    for (const letGo of found.splice(0).reverse()) {
      letGo();
      await settled();
    }
    return count;
  };
  queue.add(first, { seq: 1, count: 1 });
  expect(await goOn()).toBe(1);
  queue.add(first, { seq: 2, count: 1 });
  queue.add(second, { seq: 1, count: 1 });
  expect(await goOn()).toBe(2);
  queue.add(second, { seq: 2, count: 1 });
  expect(await goOn()).toBe(1);
  expect([first.files, second.files]).toEqual([
    [["f0"], ["f1"]],
    [["f2"], ["f3"]],
  ]);
});

test("the claims of a worker that is gone are dropped, and take nothing", async () => {
  const { files, queue, workers } = scene(0, 2);
  const [first, second] = workers as [Worker, Worker];
  files.claimed.set(99, ["held"]);
  first.claim().claim();
  second.claim();
  await settled();
  queue.drop(first);
  files.free = ["a", "b"];
  queue.wake();
  await settled();
  expect(first.files).toEqual([["dropped"], ["dropped"]]);
  expect(second.files).toEqual([["a"]]);
  // One for which a file is being taken keeps it: the worker finds it when it comes back.
  first.claim().claim();
  await Promise.resolve();
  queue.drop(first);
  await settled();
  expect(first.files.slice(2)).toEqual([["b"], ["dropped"]]);
});

test("a claim that is dropped while nothing is found for it does not try again", async () => {
  const { files, queue, workers } = scene(0, 2);
  const [first] = workers as [Worker, Worker];
  files.claimed.set(99, ["held"]);
  first.claim().claim();
  await Promise.resolve();
  expect(files.takes).toBe(1);
  queue.drop(first);
  await settled();
  files.free = ["a"];
  queue.wake();
  await settled();
  expect([first.files, files.takes]).toEqual([[["dropped"], ["dropped"]], 1]);
});

test("a failure is the answer to one claim, and the others go on", async () => {
  const { files, workers } = scene(5, 2);
  const [first, second] = workers as [Worker, Worker];
  const { take } = files;
  const queue = new ClaimQueue({
    take: async (epoch, count) => {
      if (files.takes++ === 0) throw new Error("the disk is full");
      return take(epoch, count);
    },
    workers: async () => {
      if (files.takes === 2) throw new Error("nobody knows");
      return 2;
    },
  });
  for (const seq of [1, 2, 3]) queue.add(first, { seq, count: 1 });
  queue.add(second, { seq: 1, count: 1 });
  await settled();
  expect(first.files.map(([file]) => file).filter((file) => file === "refused").length).toBeGreaterThan(0);
  expect(first.answers.map(([seq]) => seq)).toEqual([1, 2, 3]);
  expect(second.answers).toHaveLength(1);
});

test("a session that takes the place of another has a queue of its own", async () => {
  const files = new Files(2, 1);
  const queues = new ClaimQueues({
    claims: {
      take: (_: string, epoch: number, count: number) => files.take(epoch, count),
      onFree: () => () => {},
    },
    leases: { of: async () => [] },
    changes: { onGap: () => () => {} },
  } as never);
  const summary = (generation: string, revision: number, status = "running") =>
    ({ session_id: "s", generation, revision, status, pending_count: 2 }) as SessionSummary;
  const old = queues.join(summary("a", 100));
  const place = queues.join(summary("b", 1));
  queues.follow(summary("b", 2, "paused"));
  queues.follow(summary("a", 101));
  const worker = new Worker(1, place.queue).claim();
  old.leave();
  await settled();
  expect(worker.open).toBe(1);
  queues.follow(summary("b", 3));
  await settled();
  expect(worker.files).toEqual([["f0"]]);
  place.leave();
  expect(queues.join(summary("b", 4)).queue).not.toBe(place.queue);
});

test("whatever happens in whatever order: each claim is answered once, in order, and none waits beside a free file", async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        does: fc.constant("claim" as const),
        who: fc.nat(3),
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ does: fc.constant("process" as const), who: fc.nat(3), count: fc.nat(4) }),
    },
    fc.record({
      does: fc.constantFrom("release" as const, "drop" as const),
      who: fc.nat(3),
      count: fc.nat(4),
    }),
    fc.record({
      does: fc.constantFrom("add" as const, "pause" as const, "resume" as const, "settle" as const),
      who: fc.constant(0),
      count: fc.nat(4),
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(8),
      fc.array(step, { maxLength: 40, size: "max" }),
      fc.boolean(),
      async (count, steps, completes) => {
        const { files, queue, workers } = scene(count, 4);
        let wakes = 0;
        let isPaused = false;
        const wake = () => {
          wakes++;
          queue.wake();
        };
        const follow = (status: "running" | "paused" | "completed") => {
          wakes++;
          isPaused = status === "paused";
          queue.follow({ status, revision: 1, pending_count: files.left });
        };
        for (const { does, who, count: many } of steps) {
          const worker = workers[who] as Worker;
          const held = files.claimed.get(worker.epoch) ?? [];
          if (does === "claim") worker.claim(many);
          else if (does === "process") {
            held.splice(0, many);
            if (files.left === 0) wake();
          } else if (does === "release") {
            files.free.push(...held.splice(0, many));
            wake();
          } else if (does === "drop") queue.drop(worker);
          else if (does === "add") {
            files.free.push(...Array.from({ length: many }, (_, at) => `n${at}`));
            wake();
          } else if (does === "settle") await settled();
          else follow(does === "pause" ? "paused" : "running");
        }
        await settled();
        const waiting = workers.some(({ open }) => open > 0);
        if (waiting && !isPaused) expect([files.free.length, files.left > 0]).toEqual([0, true]);
        if (!waiting && completes) workers[0]?.claim(9);
        if (completes) {
          follow("completed");
          await settled();
          expect(workers.map(({ open }) => open)).toEqual([0, 0, 0, 0]);
        }
        let answers = 0;
        for (const worker of workers) {
          expect(worker.answers.map(([seq]) => seq)).toEqual(worker.answers.map((_, at) => at + 1));
          answers += worker.answers.length;
        }
        expect(files.takes).toBeLessThanOrEqual(2 * (answers + wakes + 1));
      },
    ),
    runs(100, 5000),
  );
});
