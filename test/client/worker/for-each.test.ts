import { once } from "node:events";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ConnectionError } from "../../../src/client/http/connection-error.ts";
import type { WorkContext } from "../../../src/client/worker/for-each-options.ts";
import { ExactNumber, type JsonValue } from "../../../src/json/exact-json.ts";
import { eventually } from "../../support/eventually.ts";
import { attach, names, scene, servedScene, wireTo } from "./fixture.ts";

/** Work that is finished, or fails, only when the test says so. */
function heldWork() {
  const held = new Map<string, { finish: (result?: JsonValue) => void; fail: (error: Error) => void }>();
  const signals: AbortSignal[] = [];
  const work = (file: string, { signal }: WorkContext) => {
    signals.push(signal);
    return new Promise((finish, fail) => held.set(file, { finish, fail }));
  };
  const begun = (count: number) => eventually(() => expect(held.size).toBe(count));
  const finish = (...files: string[]) => {
    for (const file of files) held.get(file)?.finish(`${file} done`);
  };
  return { held, signals, work, begun, finish };
}

async function failure(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => expect.fail("it should have failed"),
    (error) => error,
  );
}

const done = { failed: 0, unacknowledged: 0, stopped: null };

describe("a loop over the files of a session", () => {
  it("works on each pending file once, so many at a time, and reports what it found", async () => {
    const { client, create, attach } = await servedScene();
    const files = names(400);
    await create("a", files);
    const worker = await attach("a");
    await worker.report({ processed: [files[0] as string] });
    const worked: string[] = [];
    let running = 0;
    let most = 0;
    const summary = await worker.forEach(
      async (file, { session }) => {
        worked.push(file);
        most = Math.max(most, ++running);
        await sleep(Math.random() * 3);
        running--;
        if (file.endsWith("7.ts")) return undefined;
        return {
          of: session.config.target_path,
          big: 2n ** 60n,
          exact: new ExactNumber("0.10000000000000000001"),
        };
      },
      { concurrency: 7 },
    );
    expect(summary).toEqual({ processed: 399, ...done });
    expect(most).toBe(7);
    expect(worked).toEqual(files.slice(1));
    const stored = await client.getSession("a");
    expect(stored.pending_files).toEqual([]);
    expect(new Set(stored.processed_files)).toEqual(new Set(files));
    expect(stored.partial_results).not.toHaveProperty(["src/17.ts"]);
    expect(stored.partial_results["src/8.ts"]).toEqual({
      of: "src",
      big: 2n ** 60n,
      exact: new ExactNumber("0.10000000000000000001"),
    });
    expect(stored.partial_results).toEqual(worker.session.partial_results);
    expect(await worker.forEach(async () => expect.fail("nothing is left"))).toEqual({
      processed: 0,
      ...done,
    });
  });

  it("takes one file after another unless told otherwise", async () => {
    const { create, attach } = await servedScene();
    await create("a", names(20));
    const worker = await attach("a");
    let running = 0;
    await worker.forEach(async () => {
      expect(++running).toBe(1);
      await sleep(1);
      running--;
    });
    for (const concurrency of [0, -1, 1.5, Number.NaN]) {
      expect(await failure(worker.forEach(() => {}, { concurrency }))).toMatchObject({
        code: "invalid_request",
      });
    }
  });

  it("goes on to files that the work adds, each once", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["1"]);
    const worker = await attach("a");
    const worked: string[] = [];
    const summary = await worker.forEach(
      (file, { add }) => {
        worked.push(file);
        const child = Number(file) * 2;
        if (child < 256) add(String(child), String(child + 1), "1");
      },
      { concurrency: 3 },
    );
    expect(summary.processed).toBe(255);
    expect(new Set(worked).size).toBe(255);
    expect(worked).toHaveLength(255);
    expect(await client.getSession("a")).toMatchObject({ pending_files: [] });
  });

  it("goes on to files that are reported to it by the way", async () => {
    const { create, attach } = await servedScene();
    await create("a", ["x"]);
    const worker = await attach("a");
    const worked: string[] = [];
    await worker.forEach(async (file) => {
      worked.push(file);
      if (file === "x") void worker.report({ added: ["y"] });
    });
    expect(worked).toEqual(["x", "y"]);
  });

  it("is one at a time", async () => {
    const { create, attach } = await servedScene();
    await create("a", ["x"]);
    const worker = await attach("a");
    const { work, begun, finish } = heldWork();
    const first = worker.forEach(work);
    await begun(1);
    expect(await failure(worker.forEach(work))).toMatchObject({ code: "invalid_request" });
    finish("x");
    expect((await first).processed).toBe(1);
  });

  it("keeps its pace with a trivial work, in few messages", async () => {
    const { client, create, attach } = await servedScene();
    const files = names(20_000);
    await create("a", files);
    const worker = await attach("a");
    const before = worker.session.revision as number;
    expect((await worker.forEach(async (file) => file.length, { concurrency: 300 })).processed).toBe(
      files.length,
    );
    const { revision } = await client.getSummary("a");
    expect(revision - before).toBeLessThan(500);
  });
});

describe("work that fails", () => {
  it("ends the loop with its error, when what is under way is finished and reported", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["a", "b", "c", "d", "e"]);
    const worker = await attach("a");
    const { held, signals, work, begun, finish } = heldWork();
    const loop = failure(worker.forEach(work, { concurrency: 3 }));
    await begun(3);
    const oops = new Error("oops");
    held.get("b")?.fail(oops);
    await sleep(20);
    finish("a", "c");
    expect(await loop).toBe(oops);
    expect(held.size).toBe(3);
    expect(signals.some((signal) => signal.aborted)).toBe(false);
    const stored = await client.getSession("a");
    expect(stored.pending_files).toEqual(["b", "d", "e"]);
    expect(stored.partial_results).toEqual({ a: "a done", c: "c done" });
    expect(stored.status).toBe("running");
    const rest: string[] = [];
    await worker.forEach((file) => void rest.push(file));
    expect(rest).toEqual(["b", "d", "e"]);
  });

  it("is recorded or left pending, as its caller decides", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", names(30));
    const worker = await attach("a");
    const seen: string[] = [];
    const summary = await worker.forEach(
      async (file) => {
        if (file.endsWith("3.ts")) throw new Error("three");
        if (file.endsWith("5.ts")) throw new Error("five");
        return "fine";
      },
      {
        concurrency: 4,
        onError: async (error, file) => {
          seen.push(file);
          await sleep(1);
          return (error as Error).message === "three" ? { error: "three" } : undefined;
        },
      },
    );
    expect(summary).toEqual({ ...done, processed: 27, failed: 3 });
    expect(seen).toHaveLength(6);
    const stored = await client.getSession("a");
    expect(stored.pending_files).toEqual(["src/5.ts", "src/15.ts", "src/25.ts"]);
    expect(stored.partial_results["src/13.ts"]).toEqual({ error: "three" });
  });

  it("ends the loop with what the caller throws instead", async () => {
    const { create, attach } = await servedScene();
    await create("a", names(30));
    const worker = await attach("a");
    const onError = () => {
      throw new Error("enough");
    };
    const work = () => Promise.reject(new Error("oops"));
    expect(await failure(worker.forEach(work, { onError }))).toMatchObject({ message: "enough" });
    expect(worker.session.pending_files).toHaveLength(30);
  });

  it("includes results that cannot be kept", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["x", "y"]);
    const worker = await attach("a");
    const dated = () => ({ found: new Date() });
    const error = await failure(worker.forEach(dated));
    expect(error).toMatchObject({ code: "invalid_request" });
    expect(error.message).toMatch(/"x".*found.*Date/);
    await worker.forEach(dated, { onError: (_error, file) => (file === "x" ? "unusable" : undefined) });
    expect(await client.getSession("a")).toMatchObject({
      pending_files: ["y"],
      partial_results: { x: "unusable" },
    });
    let deep: JsonValue = 1;
    for (let level = 0; level < 100; level++) deep = [deep];
    expect((await failure(worker.forEach(async () => deep))).message).toMatch(
      /report of y was refused.*levels/,
    );
    expect((await failure(worker.forEach(async (_file, { add }) => add(1 as never)))).message).toMatch(
      /files to add must be strings/,
    );
  });

  it("includes reports by the way that nobody looked at", async () => {
    const { create, attach } = await servedScene();
    await create("a", ["x", "y"]);
    const worker = await attach("a");
    const loop = worker.forEach(() => {
      void worker.report({ results: { bad: Number.NaN } });
    });
    expect(await failure(loop)).toMatchObject({ code: "invalid_request" });
  });
});

describe("a loop that is to end early", () => {
  it("ends when the session is paused, keeps what was under way, and leaves the rest for later", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", ["a", "b", "c", "d", "e"]);
    const worker = await attach("a");
    const { held, signals, work, begun, finish } = heldWork();
    const loop = worker.forEach(work, { concurrency: 3 });
    await begun(3);
    await client.pauseSession("a");
    await eventually(() => expect(signals[0]?.aborted).toBe(true));
    finish("b", "c");
    // Work that heeds the signal fails because of it, which is no failure.
    held.get("a")?.fail(new Error("killed"));
    expect(await loop).toEqual({ processed: 2, failed: 0, unacknowledged: 0, stopped: "paused" });
    const paused = await client.getSession("a");
    expect(paused).toMatchObject({ status: "paused", pending_files: ["a", "d", "e"] });
    expect(paused.partial_results).toEqual({ b: "b done", c: "c done" });

    expect(await worker.forEach(work)).toMatchObject({ processed: 0, stopped: "paused" });
    expect(held.size).toBe(3);
    await worker.detach();
    await client.resumeSession("a");
    const next = await attach("a");
    expect(await next.forEach(async (file) => `${file} later`)).toEqual({ processed: 3, ...done });
    expect((await client.getSession("a")).partial_results).toMatchObject({ a: "a later", b: "b done" });
  });

  it.each(["complete", "fail"] as const)("ends when somebody makes the session %s", async (verb) => {
    const { client, create, attach } = await servedScene();
    await create("a", names(10));
    const worker = await attach("a");
    const { work, begun, finish } = heldWork();
    const loop = worker.forEach(work);
    await begun(1);
    await client[`${verb}Session`]("a");
    await eventually(() => expect(worker.signal.aborted).toBe(true));
    finish("src/0.ts");
    const stopped = verb === "complete" ? "completed" : "failed";
    expect(await loop).toEqual({ processed: 1, failed: 0, unacknowledged: 0, stopped });
  });

  it("ends in time also when the work leaves the process no time for anything else", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", names(500));
    const worker = await attach("a");
    let paused: Promise<unknown> | undefined;
    let worked = 0;
    const busy = async () => {
      if (++worked === 10) paused = client.pauseSession("a");
      for (const end = performance.now() + 5; performance.now() < end; );
    };
    const { processed, stopped } = await worker.forEach(busy, { concurrency: 2 });
    await paused;
    expect({ processed, stopped }).toEqual({ processed: worked, stopped: "paused" });
    expect(worked).toBeLessThan(300);
  });

  it("ends on the signal of its caller", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", names(10));
    const worker = await attach("a");
    const { signals, work, begun, finish } = heldWork();
    const controller = new AbortController();
    const loop = worker.forEach(work, { concurrency: 2, signal: controller.signal });
    await begun(2);
    controller.abort();
    expect(signals[0]?.aborted).toBe(true);
    finish("src/0.ts", "src/1.ts");
    expect(await loop).toEqual({ processed: 2, failed: 0, unacknowledged: 0, stopped: "aborted" });
    expect((await client.getSession("a")).pending_files).toHaveLength(8);
    const aborted = AbortSignal.abort();
    expect(await worker.forEach(work, { signal: aborted })).toMatchObject({
      processed: 0,
      stopped: "aborted",
    });
    expect((await worker.forEach(() => {})).processed).toBe(8);
  });

  it("ends when the session is deleted, and says what came too late", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", names(10));
    const worker = await attach("a");
    const { signals, work, begun, finish } = heldWork();
    const loop = worker.forEach(work, { concurrency: 2 });
    await begun(2);
    finish("src/0.ts");
    await begun(3);
    await eventually(() => expect(worker.session.processed_files).toHaveLength(1));
    await client.deleteSession("a", { force: true });
    await eventually(() => expect(signals[0]?.aborted).toBe(true));
    await eventually(() => expect(worker.status).toBe("deleted"));
    finish("src/1.ts", "src/2.ts");
    expect(await loop).toEqual({ processed: 1, failed: 0, unacknowledged: 2, stopped: "deleted" });
  });

  it("ends when another program deletes the file, and not when it renames it", async () => {
    const { client, create, attach, directory } = await scene();
    await create("a", names(600));
    const worker = await attach("a");
    let worked = 0;
    const work = async () => {
      worked++;
      await sleep(2);
    };
    const renamed = worker.forEach(work, { concurrency: 4 });
    await eventually(() => expect(worked).toBeGreaterThan(200));
    await rename(join(directory, "a.json"), join(directory, "b.json"));
    expect(await renamed).toEqual({ processed: 600, ...done });

    await worker.report({ added: ["more", "and more"] });
    const deleted = worker.forEach(async (_file, { signal }) => {
      if (!signal.aborted) await once(signal, "abort");
    });
    await rm(join(directory, "b.json"));
    expect(await deleted).toMatchObject({ stopped: "deleted" });
    await expect(client.getSession("a")).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("goes on when another program leaves a file half-written for a while", async () => {
    const { client, create, attach, directory } = await scene();
    await create("a", names(600));
    const file = join(directory, "a.json");
    const whole = await readFile(file);
    const worker = await attach("a");
    let worked = 0;
    const loop = worker.forEach(
      async () => {
        worked++;
        await sleep(3);
      },
      { concurrency: 4 },
    );
    await eventually(() => expect(worked).toBeGreaterThan(100));
    await writeFile(file, whole.subarray(0, 1000));
    await eventually(async () => {
      await expect(client.getSession("a")).rejects.toMatchObject({ code: "session_corrupt" });
    });
    await eventually(() => expect(worked).toBe(600));
    await writeFile(file, whole);
    expect(await loop).toEqual({ processed: 600, ...done });
    expect(worker.epoch).toBeGreaterThan(0);
    expect(await client.getSession("a")).toMatchObject({ pending_files: [] });
  });

  it("ends when the lease is lost", async () => {
    const { client, create, socketPath } = await servedScene({
      worker: { reattachGraceMs: 50, onLost: "leave" },
    });
    const wire = await wireTo(socketPath);
    await create("a", names(10));
    const worker = await attach(wire.client, "a");
    const { work, begun, finish } = heldWork();
    const loop = worker.forEach(work);
    await begun(1);
    wire.closed = true;
    wire.cut();
    await eventually(async () => expect((await client.getSummary("a")).workers).toEqual([]));
    finish("src/0.ts");
    await begun(2);
    wire.closed = false;
    await eventually(() => expect(worker.signal.aborted).toBe(true));
    finish("src/1.ts");
    expect(await loop).toEqual({ processed: 0, failed: 0, unacknowledged: 2, stopped: "lease_lost" });
  });

  it("fails when the daemon stays away", async () => {
    const all = await servedScene();
    await all.create("a", names(10));
    const worker = await all.attach("a", { reconnectMs: 100 });
    const { work, begun, finish } = heldWork();
    const loop = failure(worker.forEach(work));
    await begun(1);
    // First, so that no attempt to reconnect meets a daemon that is still stopping.
    await rm(all.socketPath);
    await all.stop();
    await eventually(() => expect(worker.signal.aborted).toBe(true));
    finish("src/0.ts");
    const error = await loop;
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error).toMatchObject({ reason: "missing" });
  });

  it("ends with its worker", async () => {
    const { client, create, attach } = await servedScene();
    await create("a", names(10));
    const worker = await attach("a");
    const { work, begun, finish } = heldWork();
    const loop = worker.forEach(work, { concurrency: 2 });
    await begun(2);
    finish("src/0.ts");
    await begun(3);
    await worker.detach();
    finish("src/1.ts", "src/2.ts");
    expect(await loop).toEqual({ processed: 1, failed: 0, unacknowledged: 2, stopped: "aborted" });
    expect((await client.getSession("a")).pending_files).toHaveLength(9);
  });
});

describe("a loop whose connection is lost", () => {
  it("goes on, and works on no file twice", async () => {
    const { client, create, socketPath } = await servedScene();
    const wire = await wireTo(socketPath);
    const files = names(1000);
    await create("a", files);
    const worker = await attach(wire.client, "a");
    const times = new Map<string, number>();
    const cutAt = [200, 400, 600, 800].map((at) => files[at]);
    const summary = await worker.forEach(
      async (file) => {
        times.set(file, (times.get(file) ?? 0) + 1);
        await sleep(1);
        if (!cutAt.includes(file)) return times.size;
        const { connections } = wire;
        wire.cut();
        // The other files go on meanwhile.
        await eventually(() => expect(wire.connections).toBe(connections + 1));
        return times.size;
      },
      { concurrency: 16 },
    );
    expect(summary).toEqual({ processed: 1000, ...done });
    expect([...times.values()].every((count) => count === 1)).toBe(true);
    expect(wire.connections).toBe(1 + cutAt.length);
    const stored = await client.getSession("a");
    expect(stored.pending_files).toEqual([]);
    expect(stored.processed_files).toHaveLength(1000);
  });

  it("works on while there is none, as far as what it may lose is bounded", async () => {
    const { create, socketPath } = await servedScene();
    const wire = await wireTo(socketPath);
    await create("a", names(12_000));
    const worker = await attach(wire.client, "a");
    wire.closed = true;
    wire.cut();
    let worked = 0;
    const loop = worker.forEach(() => void worked++, { concurrency: 4 });
    await eventually(() => expect(worked).toBeGreaterThanOrEqual(10_000));
    await sleep(50);
    // Those that were under way are finished.
    expect(worked).toBeLessThan(10_004);
    wire.closed = false;
    expect((await loop).processed).toBe(12_000);
  });
});
