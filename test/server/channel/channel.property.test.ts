/**
 * Two workers and a control client act in any order. There are never two holders of a lease, and the document
 * has every acknowledged report.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { type RunningServer, startServer } from "../running-server.ts";
import { attachWorker, Refused, type TestWorker } from "./channel-worker.ts";

class Actor {
  readonly acked = new Set<string>();
  readonly sent = new Set<string>();
  /** Sent on a connection after the other worker was attached: too late. */
  readonly late = new Set<string>();
  /** The other worker has been attached since this one was. */
  isFenced = false;
  readonly #name: string;
  readonly #server: RunningServer;
  #worker: TestWorker | undefined;
  #token: string | undefined;
  #seq = 0;
  #files = new Map<number, string>();
  #count = 0;

  constructor(name: string, server: RunningServer) {
    this.#name = name;
    this.#server = server;
  }

  /** Whether its connection is open, and it was told of no end. */
  get isHolder(): boolean {
    this.#read();
    return this.#worker?.isOpen === true;
  }

  async attach(id: string, again: boolean, other: Actor): Promise<void> {
    if (this.isHolder && !again) return;
    try {
      const token = again ? this.#token : undefined;
      const worker = await attachWorker(this.#server.socketPath, id, token === undefined ? {} : { token });
      this.#read();
      this.#worker = worker;
      this.#token = worker.token;
      this.#seq = 0;
      this.#files = new Map();
      this.isFenced = false;
      other.isFenced = true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  report(): void {
    const worker = this.#worker;
    if (worker?.isOpen !== true) return;
    const file = `${this.#name}-${++this.#count}`;
    this.#files.set(++this.#seq, file);
    this.sent.add(file);
    if (this.isFenced) this.late.add(file);
    worker.send({ type: "progress", seq: this.#seq, processed: [file], results: { [file]: this.#seq } });
  }

  vanish(): void {
    this.#worker?.socket.destroy();
  }

  detach(): void {
    if (this.#worker?.isOpen) this.#worker.send({ type: "detach" });
    this.#token = undefined;
  }

  async ended(): Promise<void> {
    this.vanish();
    await this.#worker?.closed;
    this.#read();
  }

  #read(): void {
    const messages = this.#worker?.messages ?? [];
    const refused = new Set(messages.flatMap((message) => (message.type === "error" ? [message.seq] : [])));
    for (const message of messages) {
      if (message.type !== "ack") continue;
      for (const [seq, file] of this.#files)
        if (seq <= message.seq && !refused.has(seq)) this.acked.add(file);
    }
  }
}

const step = fc.record({
  who: fc.constantFrom("a", "b"),
  what: fc.constantFrom(
    "attach",
    "again",
    "report",
    "report",
    "report",
    "vanish",
    "detach",
    "control",
    "look",
  ),
  waits: fc.boolean(),
});

test("never two holders, and nothing that was acked is lost", async () => {
  const server = await startServer({ worker: { reattachGraceMs: 25, onLost: "leave" } });
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
      const id = `s${++runs}`;
      await server.create(id);
      const actors = { a: new Actor("a", server), b: new Actor("b", server) };
      const others = { a: actors.b, b: actors.a };
      const pending: Promise<unknown>[] = [];
      for (const { who, what, waits } of steps) {
        const actor = actors[who];
        const act = {
          attach: () => actor.attach(id, false, others[who]),
          again: () => actor.attach(id, true, others[who]),
          report: async () => actor.report(),
          vanish: async () => actor.vanish(),
          detach: async () => actor.detach(),
          control: () => server.call("POST", `/v1/sessions/${id}/${waits ? "pause" : "resume"}`),
          look: async () => {
            const [lease] = await server.store.leases.of(id);
            const http = await server.call("POST", `/v1/sessions/${id}/progress`, { json: {} });
            if (lease !== undefined && (await server.store.leases.of(id))[0]?.epoch === lease.epoch) {
              expect(http.status).toBe(409);
            }
          },
        }[what]();
        if (waits || what === "attach" || what === "again") await act;
        else pending.push(act);
      }
      await Promise.all(pending);
      await eventually(() => expect(actors.a.isHolder && actors.b.isHolder).toBe(false));
      await Promise.all([actors.a.ended(), actors.b.ended()]);
      await eventually(async () => expect(await server.store.leases.of(id)).toEqual([]));
      const session = jsonOf(await server.call("GET", `/v1/sessions/${id}`));
      const processed = session.processed_files as string[];
      for (const actor of [actors.a, actors.b]) {
        for (const file of actor.acked) expect(processed).toContain(file);
        for (const file of actor.late) expect(processed).not.toContain(file);
      }
      const sent = new Set([...actors.a.sent, ...actors.b.sent]);
      expect(processed.filter((file) => !sent.has(file))).toEqual([]);
      expect(Object.keys(session.partial_results as object).sort()).toEqual([...processed].sort());
    }),
    { numRuns: 40 },
  );
}, 60_000);
