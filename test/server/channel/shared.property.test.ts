/**
 * Workers share a session and do what they like, in any order, while others pause it, add and requeue files,
 * evict workers and restart the daemon. No file is worked on by two at a time, none is forgotten, and none
 * that was acknowledged is handed out again unless somebody requeues it.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { jsonOf } from "../../support/http.ts";
import { isLong, runs } from "../../support/runs.ts";
import { type RunningServer, startServer } from "../running-server.ts";
import { Refused } from "./channel-worker.ts";
import { attachShared, type SharedWorker } from "./shared-worker.ts";

/** Some workers come back in time, others too late. */
const graces = [20, 300];
const worker = { reattachGraceMs: 20, onLost: "leave" } as const;

/** What all workers together know of the files of one session. */
class Scene {
  readonly id: string;
  readonly actors: Actor[];
  readonly files = new Set<string>();
  /** Acknowledged, and not requeued since. */
  readonly done = new Set<string>();
  server: RunningServer;

  constructor(id: string, server: RunningServer, actors: number) {
    this.id = id;
    this.server = server;
    this.actors = Array.from({ length: actors }, () => new Actor(this));
  }

  read(): void {
    for (const actor of this.actors) actor.read();
  }

  post(verb: string, json?: object) {
    return this.server.call("POST", `/v1/sessions/${this.id}/${verb}`, json === undefined ? {} : { json });
  }

  async requeue(count: number): Promise<void> {
    this.read();
    const files = [...this.done].slice(0, count);
    for (const file of files) this.done.delete(file);
    const { status, text } = await this.post("requeue", { files });
    expect([200, 409], text).toContain(status);
  }

  async restart(): Promise<void> {
    const { server, store } = this.server;
    for (const actor of this.actors) actor.isSure = false;
    await server.close(5000);
    await store.close();
    this.server = await startServer({ memory: store.memory, worker: { ...worker, reattachGraceMs: 300 } });
  }
}

class Actor {
  readonly #scene: Scene;
  /** Told to be its own, and neither reported nor given back. */
  readonly working = new Set<string>();
  /** By seq, the files of reports without an acknowledgement. */
  readonly #reported = new Map<number, readonly string[]>();
  /** Whether its lease cannot have ended, as far as it knows. */
  isSure = false;
  #worker: SharedWorker | undefined;
  #token: string | undefined;
  #read = 0;
  #seq = 0;
  #added = 0;

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** Attaches, or comes back while its lease may not be over. */
  async attach(): Promise<void> {
    if (this.#worker?.isOpen() && this.isSure) return;
    this.vanish();
    await this.#worker?.closed;
    this.read();
    const { server, id } = this.#scene;
    const token = this.#token;
    this.#worker = undefined;
    try {
      const attached = await attachShared(server.socketPath, id, token === undefined ? {} : { token });
      this.#scene.read();
      const { claimed } = attached.first;
      if (token !== undefined) {
        // What it was told and has not reported is still its own.
        for (const file of this.working) expect(claimed, "kept over the reconnection").toContain(file);
      }
      this.#begin(attached);
      for (const file of claimed) this.#own(file);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      expect(error.body.code).toBe("lease_lost");
      this.#forget();
    }
  }

  claim(count: number): void {
    if (this.#isOpen) this.#worker?.send({ type: "claim", seq: ++this.#seq, count });
  }

  report(count: number): void {
    this.read();
    const processed = [...this.working].slice(0, count);
    if (!this.#isOpen || processed.length === 0) return;
    for (const file of processed) this.working.delete(file);
    this.#reported.set(++this.#seq, processed);
    this.#worker?.send({ type: "progress", seq: this.#seq, processed });
  }

  add(): void {
    if (!this.#isOpen) return;
    const file = `n${this.#scene.actors.indexOf(this)}-${++this.#added}`;
    this.#reported.set(++this.#seq, [`+${file}`]);
    this.#worker?.send({ type: "progress", seq: this.#seq, added: [file] });
  }

  release(count: number): void {
    this.read();
    const files = [...this.working].slice(0, count);
    if (!this.#isOpen || files.length === 0) return;
    for (const file of files) this.working.delete(file);
    this.#worker?.send({ type: "release", seq: ++this.#seq, files });
  }

  vanish(): void {
    this.isSure = false;
    this.#worker?.socket.destroy();
  }

  async detach(): Promise<void> {
    if (!this.#isOpen) return;
    this.isSure = false;
    this.#worker?.send({ type: "detach" });
    await this.#worker?.closed;
    this.read();
    this.#forget();
  }

  async evict(): Promise<void> {
    if (!this.#isOpen) return;
    const { server, id } = this.#scene;
    this.isSure = false;
    const { status } = await server.call("DELETE", `/v1/sessions/${id}/workers/${this.#worker?.first.epoch}`);
    if (status === 200) expect(await this.#worker?.closed).toMatchObject({ code: "lease_lost" });
    this.read();
    this.#forget();
  }

  /** Takes what has arrived. */
  read(): void {
    const messages = this.#worker?.messages ?? [];
    while (this.#read < messages.length) {
      const message = messages[this.#read++];
      if (message?.type === "claimed") for (const file of message.files) this.#own(file);
      else if (message?.type === "ack") this.#acknowledged(message.seq);
      else if (message?.type === "error") {
        expect(["lease_lost", "invalid_request"], message.detail).toContain(message.code);
        this.#reported.delete(message.seq);
      }
    }
  }

  get #isOpen(): boolean {
    return this.isSure && this.#worker?.isOpen() === true;
  }

  #begin(attached: SharedWorker): void {
    this.#worker = attached;
    this.#token = attached.first.token;
    this.#read = 0;
    this.#seq = 0;
    this.working.clear();
    // Not sent again: what is not in `claimed` was kept, and the rest is still to be done.
    this.#reported.clear();
    this.isSure = true;
  }

  #forget(): void {
    this.#token = undefined;
    this.working.clear();
    this.#reported.clear();
  }

  #own(file: string): void {
    const { done, actors } = this.#scene;
    expect(done.has(file), `${file} is done`).toBe(false);
    for (const other of actors) {
      const isOther = other !== this && other.isSure && this.isSure;
      expect(isOther && other.working.has(file), `${file} has two workers`).toBe(false);
    }
    this.working.add(file);
  }

  #acknowledged(upTo: number): void {
    for (const [seq, names] of this.#reported) {
      if (seq > upTo) continue;
      this.#reported.delete(seq);
      for (const name of names) {
        if (name.startsWith("+")) this.#scene.files.add(name.slice(1));
        else this.#scene.done.add(name);
      }
    }
  }
}

const some = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ what: fc.constantFrom("claim", "report"), who: fc.nat(2), count: some }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constantFrom(
        "attach",
        "return",
        "return",
        "release",
        "vanish",
        "add",
        "detach",
        "evict",
        "wait",
      ),
      who: fc.nat(2),
      count: some,
    }),
  },
  fc.record({
    what: fc.constantFrom("pause", "resume", "resume", "requeue", "requeue", "restart"),
    who: fc.constant(0),
    count: some,
  }),
);

test("no file has two workers, none is forgotten, and none is done twice unasked", {
  timeout: 120_000,
}, async () => {
  let server = await startServer({ worker });
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 3, max: 15 }),
      fc.constantFrom(...graces),
      fc.array(step, { minLength: 10, maxLength: 60 }),
      async (files, reattachGraceMs, steps) => {
        server.server.configure({ ...worker, reattachGraceMs });
        const scene = new Scene(`s${++count}`, server, 3);
        const pending = Array.from({ length: files }, (_, at) => `f${at}`);
        await server.create(scene.id, pending);
        for (const file of pending) scene.files.add(file);
        for (const actor of scene.actors) await actor.attach();
        for (const { what, who, count: many } of steps) {
          const actor = scene.actors[who] as Actor;
          if (what === "claim") {
            actor.claim(many);
            // Mostly long enough for the answer, if there is one.
            if (many > 1) await scene.server.call("GET", `/v1/sessions/${scene.id}/summary`);
            scene.read();
          } else if (what === "report") actor.report(many);
          else if (what === "release") actor.release(many);
          else if (what === "add") actor.add();
          else if (what === "vanish") actor.vanish();
          else if (what === "attach") await actor.attach();
          else if (what === "return") {
            actor.vanish();
            await actor.attach();
          } else if (what === "detach") await actor.detach();
          else if (what === "evict") await actor.evict();
          else if (what === "requeue") await scene.requeue(many);
          else if (what === "restart") await scene.restart();
          // Everybody is answered what needs no waiting.
          else if (what === "wait") await scene.server.call("GET", `/v1/sessions/${scene.id}/summary`);
          else await scene.post(what);
        }
        server = scene.server;
        scene.read();
        for (const actor of scene.actors) actor.vanish();
        await scene.post("resume");
        const last = await attachShared(server.socketPath, scene.id);
        for (;;) {
          const claimed = await last.claim(100);
          if (claimed.length === 0) break;
          for (const file of claimed) expect(scene.done.has(file), `${file} is done`).toBe(false);
          expect(await last.report(claimed)).toMatchObject({ type: "ack" });
        }
        await eventually(async () => expect(await server.store.leases.of(scene.id)).toHaveLength(1));
        const session = jsonOf(await server.call("GET", `/v1/sessions/${scene.id}`));
        expect(session.pending_files).toEqual([]);
        const processed = session.processed_files as string[];
        expect(processed).toEqual(expect.arrayContaining([...scene.files]));
        expect(new Set(processed).size).toBe(processed.length);
        last.socket.destroy();
      },
    ),
    { ...runs(8, 150), ...(isLong && { interruptAfterTimeLimit: 60_000 }) },
  );
});
