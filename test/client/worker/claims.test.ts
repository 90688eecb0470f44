/** Claims, reports and releases of several workers, with lost connections, lost answers and deaths. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ClaimedReceipt } from "../../../src/client/worker/claimed-receipt.ts";
import { Claims } from "../../../src/client/worker/claims.ts";
import { Outbox } from "../../../src/client/worker/outbox.ts";
import { encodeReport } from "../../../src/client/worker/report.ts";
import type { DaemonMessage, SharedAttachedMessage, WorkerMessage } from "../../../src/contract/channel.ts";
import { runs } from "../../support/runs.ts";
import { SharedModel } from "./shared-model.ts";

/** What a worker does with its bookkeeping, with a wire to the daemon that can be slow and can be cut. */
class PureWorker {
  #lastSeq = 0;
  readonly claims = new Claims(() => ++this.#lastSeq);
  readonly outbox = new Outbox(() => ++this.#lastSeq);
  /** Files that the program has and has not ended. */
  readonly hand: string[] = [];
  open = 0;
  isConnected = false;
  toDaemon: WorkerMessage[] = [];
  fromDaemon: DaemonMessage[] = [];
  readonly id: number;
  readonly #model: SharedModel;
  readonly #got: (worker: PureWorker, file: string) => void;

  constructor(id: number, model: SharedModel, got: (worker: PureWorker, file: string) => void) {
    this.id = id;
    this.#model = model;
    this.#got = got;
  }

  connect(): void {
    if (this.isConnected) return;
    this.isConnected = true;
    this.#model.attach(this.id, (message) => this.fromDaemon.push(message));
  }

  cut(): void {
    this.isConnected = false;
    this.#model.lose(this.id);
    this.toDaemon = [];
    this.fromDaemon = [];
    this.outbox.lost();
    this.claims.lost();
  }

  claim(count: number): void {
    this.open++;
    this.claims.claim(count, {
      resolve: ({ files }) => {
        this.open--;
        for (const file of files) {
          this.#got(this, file);
          this.hand.push(file);
        }
      },
      reject: (error) => expect.fail(error.message),
    });
  }

  report(at: number, settled: (file: string) => void): void {
    const [file] = this.hand.splice(at % this.hand.length, 1);
    if (file === undefined) return;
    this.open++;
    const resolve = () => {
      this.open--;
      settled(file);
    };
    const receipt = { resolve, reject: (error: Error) => expect.fail(`${file}: ${error.message}`) };
    const report = encodeReport({ processed: [file], results: { [file]: file } });
    this.outbox.add(report, new ClaimedReceipt([file], this.claims, receipt));
  }

  release(at: number): string | undefined {
    const [file] = this.hand.splice(at % this.hand.length, 1);
    if (file === undefined) return undefined;
    this.open++;
    this.claims.release([file], {
      resolve: () => void this.open--,
      reject: (error) => expect.fail(`${file}: ${error.message}`),
    });
    return file;
  }

  send(): void {
    // A worker sends when it has been told what it holds.
    if (!this.isConnected || this.fromDaemon[0]?.type === "attached") return;
    for (const sender of [this.outbox, this.claims]) {
      for (let text = sender.next(); text !== undefined; text = sender.next())
        this.toDaemon.push(JSON.parse(text));
    }
  }

  deliver(count: number): void {
    for (const message of this.toDaemon.splice(0, count)) this.#model.receive(this.id, message);
  }

  hear(count: number): void {
    for (const message of this.fromDaemon.splice(0, count)) this.#hear(message);
  }

  #hear(message: DaemonMessage): void {
    if (message.type === "attached") {
      const { claimed, summary } = message as SharedAttachedMessage;
      const now = new Set(claimed);
      const settled = this.outbox.settled((one) => one instanceof ClaimedReceipt && one.isDurable(now));
      for (const { receipt } of settled) receipt.resolve({ revision: summary.revision });
      expect(this.claims.attached(claimed, summary.pending_count)).toEqual([]);
    } else if (message.type === "ack") {
      for (const { parcels } of this.outbox.acked(message.seq))
        for (const { receipt } of parcels) receipt.resolve({ revision: message.revision });
      this.claims.acked(message.seq);
    } else if (message.type === "claimed") this.claims.claimed(message);
    else if (message.type === "error") expect.fail(message.detail);
  }
}

type Step = { do: keyof typeof weights; worker: number; n: number };
const weights = {
  claim: 5,
  report: 6,
  release: 1,
  send: 5,
  deliver: 5,
  hear: 5,
  cut: 2,
  connect: 3,
  die: 1,
  requeue: 1,
  pause: 1,
};
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.oneof(
    ...Object.entries(weights).map(([name, weight]) => ({
      weight,
      arbitrary: fc.constant(name as Step["do"]),
    })),
  ),
  worker: fc.nat(2),
  n: fc.nat(5),
});

class Trial {
  readonly model = new SharedModel(Array.from({ length: 12 }, (_, at) => `f${at}`));
  readonly workers: PureWorker[] = [];
  /** How often a file may come to somebody: once, and once more for each time that it became free again. */
  readonly #mayCome = new Map<string, number>();
  readonly #settled: string[] = [];
  #lastId = 0;

  constructor() {
    for (let at = 0; at < 3; at++) this.workers.push(this.#start());
  }

  run({ do: what, worker: at, n }: Step): void {
    const worker = this.workers[at] as PureWorker;
    if (what === "claim") worker.claim(n + 1);
    else if (what === "report") worker.report(n, (file) => this.#settled.push(file));
    else if (what === "release") this.#free(worker.release(n));
    else if (what === "deliver" || what === "hear") worker[what](n + 1);
    else if (what === "die") this.#die(at);
    else if (what === "requeue") this.#requeue(n);
    else if (what === "pause") this.model.setPaused(!this.model.isPaused);
    else worker[what]();
  }

  /** Everything arrives, and all files are worked on. */
  finish(): void {
    this.model.setPaused(false);
    for (let turn = 0; turn < 500; turn++) {
      for (const worker of this.workers) {
        worker.connect();
        worker.hear(100);
        worker.send();
        worker.deliver(100);
        worker.hear(100);
        while (worker.hand.length > 0) worker.report(0, (file) => this.#settled.push(file));
        if (worker.open === 0 && this.model.pending.length > 0) worker.claim(3);
      }
      if (this.model.pending.length === 0 && this.workers.every(({ open }) => open === 0)) return;
    }
    expect.fail(`left: ${JSON.stringify(this.workers.map(({ open, claims }) => [open, claims.held]))}`);
  }

  #start(): PureWorker {
    const worker = new PureWorker(++this.#lastId, this.model, (one, file) => this.#got(one, file));
    worker.connect();
    return worker;
  }

  #got({ id }: PureWorker, file: string): void {
    expect(this.model.holders.get(file)).toBe(id);
    const others = this.workers.filter(({ hand }) => hand.includes(file));
    expect(others.map((other) => other.id)).toEqual([]);
    const left = this.#mayCome.get(file) ?? 1;
    expect(left, `${file} is worked on again`).toBeGreaterThan(0);
    this.#mayCome.set(file, left - 1);
  }

  #free(file: string | undefined): void {
    if (file !== undefined) this.#mayCome.set(file, (this.#mayCome.get(file) ?? 1) + 1);
  }

  #die(at: number): void {
    const worker = this.workers[at] as PureWorker;
    worker.cut();
    for (const file of this.model.heldBy(worker.id)) if ((this.#mayCome.get(file) ?? 1) < 1) this.#free(file);
    this.model.end(worker.id);
    this.workers[at] = this.#start();
  }

  /** An operator has a file done again whose report is known to be durable. */
  #requeue(n: number): void {
    const file = this.#settled[n];
    if (file === undefined || this.model.pending.includes(file)) return;
    this.#settled.splice(n, 1);
    this.#free(file);
    this.model.requeue(file);
  }
}

describe("claims", () => {
  it("bring every file to one worker, once, whatever is lost on the way", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
        const trial = new Trial();
        for (const one of steps) trial.run(one);
        trial.finish();
        const { model, workers } = trial;
        expect(model.pending).toEqual([]);
        expect(model.holders.size).toBe(0);
        for (let at = 0; at < 12; at++) expect(model.results[`f${at}`]).toBe(`f${at}`);
        for (const { claims } of workers) expect(claims.held).toEqual([]);
      }),
      runs(100, 5000),
    );
  });
});
