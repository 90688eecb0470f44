/** A worker that shares its session, against a daemon that can lose answers. */
import { describe, expect, it } from "vitest";
import { NotNow } from "../../../src/client/worker/not-now.ts";
import { eventually } from "../../support/eventually.ts";
import { names } from "./fixture.ts";
import { sharedDaemon } from "./shared-daemon.ts";

async function failure(call: Promise<unknown>): Promise<Error> {
  return call.then(
    () => expect.fail("it should have failed"),
    (error) => error,
  );
}

/** Work that ends only when the test says so. */
function heldWork() {
  const begun: string[] = [];
  const end = new Map<string, (result: unknown) => void>();
  const work = (file: string) => {
    begun.push(file);
    return new Promise((resolve) => end.set(file, resolve));
  };
  const finish = (...files: string[]) => {
    for (const file of files) end.get(file)?.(`${file} done`);
  };
  return { begun, work, finish };
}

const done = { failed: 0, unacknowledged: 0, stopped: null };

describe("a shared worker", () => {
  it("is told the summary, claims files, reports them and gives others back", async () => {
    const { model, urls, attach } = await sharedDaemon(names(5));
    const worker = await attach("w");
    expect(urls).toEqual([expect.stringMatching(/\?worker=w&process=[^&]+&shared=true no token$/)]);
    expect(worker.summary).toMatchObject({ session_id: "a", status: "running", pending_count: 5 });
    expect([worker.left, worker.workers, worker.claimed]).toEqual([5, 1, []]);

    const claimed = await worker.claim(3);
    expect(claimed).toEqual({ files: ["src/0.ts", "src/1.ts", "src/2.ts"], left: 5, workers: 1 });
    expect(worker.claimed).toEqual(claimed.files);
    await worker.report({ processed: ["src/1.ts"], results: { "src/1.ts": 1 } });
    await worker.release(["src/0.ts"]);
    await worker.release([]);
    expect(worker.claimed).toEqual(["src/2.ts"]);
    expect(model.heldBy(0)).toEqual(["src/2.ts"]);
    expect(worker.summary.revision).toBe(model.revision);
    expect((await worker.claim(1)).files).toEqual(["src/0.ts"]);
  });

  it("is refused what it has not claimed, and nothing else with it", async () => {
    const { model, attach } = await sharedDaemon(["x", "y", "z"]);
    const worker = await attach("w");
    await worker.claim(2);
    const reports = ["x", "z", "y"].map((file) => worker.report({ processed: [file] }));
    expect(await failure(reports[1] as Promise<unknown>)).toMatchObject({ code: "not_claimed" });
    await Promise.all([reports[0], reports[2]]);
    expect([...model.processed.keys()].sort()).toEqual(["x", "y"]);
    expect(await failure(worker.release(["z"]))).toMatchObject({ code: "not_claimed" });
    await worker.claim(1);
    expect(await failure(worker.release(["z", "x"]))).toMatchObject({ code: "not_claimed" });
    expect(worker.claimed).toEqual(["z"]);
    for (const count of [0, 1.5, 10_001, Number.NaN])
      expect(await failure(worker.claim(count))).toMatchObject({ code: "invalid_request" });
  });

  it("waits with a claim until a file is free, or its caller has enough", async () => {
    const { model, attach } = await sharedDaemon(["x"]);
    const [one, other] = [await attach("one"), await attach("other")];
    await one.claim(1);
    const stop = new AbortController();
    const given = failure(other.claim(1, { signal: stop.signal }));
    const kept = other.claim(1);
    await eventually(() => expect(model.received.filter(({ type }) => type === "claim")).toHaveLength(3));
    stop.abort(new Error("enough"));
    expect((await given).message).toBe("enough");
    expect(await failure(other.claim(1, { signal: stop.signal }))).toMatchObject({ message: "enough" });
    await one.release(["x"]);
    expect(await kept).toMatchObject({ files: ["x"] });
    expect(other.claimed).toEqual(["x"]);
    await other.report({ processed: ["x"] });
    expect(await one.claim(1)).toEqual({ files: [], left: 0, workers: 2 });
  });

  it("has few claims in flight, however many its caller makes", async () => {
    const { model, attach } = await sharedDaemon(["held", ...names(50)]);
    const worker = await attach("w");
    await worker.claim(1);
    model.setPaused(true);
    const claims = Array.from({ length: 50 }, () => worker.claim(1));
    await worker.release(["held"]);
    expect(model.received.filter(({ type }) => type === "claim")).toHaveLength(1 + 8);
    model.setPaused(false);
    const claimed = await Promise.all(claims);
    expect(claimed.flatMap(({ files }) => files)).toEqual(["held", ...names(49)]);
  });

  it("works on what a lost answer has claimed, and reports nothing twice that was durable", async () => {
    const daemon = await sharedDaemon(["x", "y", "z"]);
    const { model, lines } = daemon;
    const worker = await daemon.attach("w");
    const cutAt = (what: string, isTaken: boolean) => {
      daemon.onMessage = (message, id, line) => {
        if (message.type === what) {
          daemon.onMessage = (later, same) => model.receive(same, later);
          model.lose(id);
          if (isTaken) model.receive(id, message);
          line.cut();
        } else model.receive(id, message);
      };
    };
    cutAt("claim", false);
    expect((await worker.claim(1)).files).toEqual(["x"]);
    // The daemon has no place to answer to, so the claim is taken only if it still has the connection.
    daemon.onMessage = (message, id, line) => {
      daemon.onMessage = (later, same) => model.receive(same, later);
      const { send } = line;
      line.send = () => {};
      model.receive(id, message);
      line.send = send;
      line.cut();
    };
    expect((await worker.claim(1)).files).toEqual(["y"]);
    cutAt("progress", true);
    const reports = model.received.filter(({ type }) => type === "progress").length;
    expect(await worker.report({ processed: ["x"], results: { x: 1 } })).toEqual({
      revision: model.revision,
    });
    expect(model.received.filter(({ type }) => type === "progress")).toHaveLength(reports + 1);
    cutAt("progress", false);
    await worker.report({ processed: ["y"], results: { y: 1 } });
    expect(model.results).toEqual({ x: 1, y: 1 });
    cutAt("release", true);
    await worker.claim(1);
    await worker.release(["z"]);
    expect([...model.holders]).toEqual([]);
    lines.get("w")?.close("lease_lost", "somebody has evicted it");
    expect(await failure(worker.claim(1))).toMatchObject({ code: "lease_lost" });
    expect(worker.signal.reason).toMatchObject({ stopped: "lease_lost" });
  });
});

describe("forEach of a shared worker", () => {
  it("works on every file once, beside others", async () => {
    const { model, attach } = await sharedDaemon(names(500));
    const workers = await Promise.all(["a", "b", "c"].map((name) => attach(name)));
    const worked: string[] = [];
    const summaries = await Promise.all(
      workers.map((worker, at) =>
        worker.forEach(
          async (file, { summary, signal, add }) => {
            worked.push(file);
            expect(summary.session_id).toBe("a");
            expect(signal.aborted).toBe(false);
            if (file === "src/7.ts") add("late");
            await new Promise((resolve) => setImmediate(resolve));
            return file;
          },
          { concurrency: at + 1 },
        ),
      ),
    );
    expect(worked.sort()).toEqual([...names(500), "late"].sort());
    expect(summaries.map((summary) => ({ ...summary, processed: 0 }))).toEqual(
      workers.map(() => ({ processed: 0, ...done })),
    );
    expect(summaries.reduce((sum, { processed }) => sum + processed, 0)).toBe(501);
    for (const { processed } of summaries) expect(processed).toBeGreaterThan(50);
    expect(model.results["src/8.ts"]).toBe("src/8.ts");
    expect(await workers[0]?.forEach(async () => expect.fail("nothing is left"))).toEqual({
      processed: 0,
      ...done,
    });
  });

  it("claims only what it can begin while the work is slow", async () => {
    const { model, attach } = await sharedDaemon(names(10));
    const worker = await attach("w");
    const { begun, work, finish } = heldWork();
    const caller = new AbortController();
    const loop = worker.forEach(work, { concurrency: 2, signal: caller.signal });
    await eventually(() => expect(begun).toHaveLength(2));
    expect(model.holders.size).toBe(2);
    finish("src/0.ts");
    await eventually(() => expect(begun).toHaveLength(3));
    expect(model.holders.size).toBeLessThanOrEqual(3);
    expect(await failure(worker.forEach(work))).toMatchObject({ code: "invalid_request" });
    caller.abort();
    finish("src/1.ts", "src/2.ts");
    expect(await loop).toMatchObject({ processed: 3, stopped: "aborted" });
  });

  it("gives back what it has claimed and not reported when it ends early", async () => {
    const { model, attach } = await sharedDaemon(names(10));
    const worker = await attach("w");
    const caller = new AbortController();
    let begun = 0;
    const loop = worker.forEach(
      async (_file, { signal }) =>
        begun++ < 4
          ? 1
          : new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))),
      { signal: caller.signal, concurrency: 2 },
    );
    await eventually(() => expect(begun).toBe(6));
    expect(model.heldBy(0).length).toBeGreaterThanOrEqual(2);
    caller.abort();
    expect(await loop).toMatchObject({ processed: 4, stopped: "aborted" });
    await eventually(() => expect(model.holders.size).toBe(0));
    expect(worker.claimed).toEqual([]);

    const failed = failure(
      worker.forEach(async () => {
        throw new Error("broken");
      }),
    );
    expect((await failed).message).toBe("broken");
    await eventually(() => expect(model.holders.size).toBe(0));
    expect(await worker.forEach(async () => 1)).toEqual({ processed: 6, ...done });
  });

  it("holds while the session is paused if it is told to, and ends otherwise", async () => {
    const { model, attach } = await sharedDaemon(["x", "y", "z"]);
    const [holding, ending] = [await attach("holding"), await attach("ending")];
    const [held, ended] = [heldWork(), heldWork()];
    const loop = holding.forEach(held.work, { onPause: "hold" });
    await eventually(() => expect(held.begun).toEqual(["x"]));
    const other = ending.forEach(ended.work);
    await eventually(() => expect(ended.begun).toEqual(["y"]));
    model.setPaused(true);
    await eventually(() =>
      expect([holding, ending].map(({ status }) => status)).toEqual(["paused", "paused"]),
    );
    held.finish("x");
    ended.finish("y");
    expect(await other).toMatchObject({ processed: 1, stopped: "paused" });
    expect(ending.summary.status).toBe("paused");
    await eventually(() => expect(model.pending).toEqual(["z"]));
    expect(held.begun).toEqual(["x"]);
    model.setPaused(false);
    await eventually(() => expect(held.begun).toEqual(["x", "z"]));
    held.finish("z");
    expect(await loop).toEqual({ processed: 2, ...done });
  });

  it("waits for files that others have, and works on those of a worker that dies", async () => {
    const { model, attach } = await sharedDaemon(["x", "y"]);
    const [one, other] = [await attach("one"), await attach("other")];
    await other.claim(2);
    const worked: string[] = [];
    const loop = one.forEach(async (file) => void worked.push(file), { concurrency: 4 });
    await eventually(() => expect(worked).toHaveLength(1));
    model.end(1);
    expect(await loop).toEqual({ processed: 2, ...done });
    expect(worked).toEqual(["y", "x"]);
  });

  it("keeps a refused file, behind its others, and tries it again", async () => {
    const { model, attach } = await sharedDaemon(["x", "y", "z"]);
    const worker = await attach("w");
    const tried: string[] = [];
    const summary = await worker.forEach(async (file) => {
      tried.push(file);
      if (file === "x" && tried.length < 3) {
        expect(model.holders.get("x")).toBe(0);
        throw new NotNow({ retryAfterMs: 1 });
      }
    });
    expect(summary).toEqual({ processed: 3, ...done });
    expect(tried).toEqual(["x", "y", "z", "x"]);
    expect(model.received.filter(({ type }) => type === "release")).toEqual([]);
  });

  it("lets others try what has failed here once, and then ends though it is pending", async () => {
    const { model, attach } = await sharedDaemon(["bad 1", "a", "b", "bad 2", "only here"]);
    const tried: string[][] = [[], []];
    const loops = [await attach("one"), await attach("other")].map((worker, at) =>
      worker.forEach(
        async (file) => {
          await new Promise((resolve) => setImmediate(resolve));
          tried[at]?.push(file);
          if (file.startsWith("bad")) throw new Error("broken");
          if (file === "only here" && at === 0) throw new Error("not here");
        },
        { onError: () => undefined },
      ),
    );
    const summaries = await Promise.all(loops);
    expect(summaries.map(({ stopped }) => stopped)).toEqual([null, null]);
    await eventually(() => expect(model.holders.size).toBe(0));
    expect([...model.pending].sort().filter((file) => file.startsWith("bad"))).toEqual(["bad 1", "bad 2"]);
    for (const files of tried) expect(new Set(files).size).toBe(files.length);
    expect(summaries.reduce((sum, { failed }) => sum + failed, 0)).toBeGreaterThanOrEqual(2);
  });

  it("ends with the error of a claim, and when the worker is evicted", async () => {
    const daemon = await sharedDaemon(["x", "y"]);
    const worker = await daemon.attach("w");
    daemon.onMessage = (message, id, line) => {
      if (message.type !== "claim") return daemon.model.receive(id, message);
      const { seq } = message;
      line.send(JSON.stringify({ type: "error", seq, code: "storage_full", detail: "the disk is full" }));
    };
    expect(await failure(worker.forEach(async () => 1))).toMatchObject({ code: "storage_full" });
    daemon.onMessage = (message, id) => daemon.model.receive(id, message);
    const { begun, work, finish } = heldWork();
    const loop = worker.forEach(work);
    await eventually(() => expect(begun).toEqual(["x"]));
    daemon.lines.get("w")?.close("lease_lost", "evicted");
    await eventually(() => expect(worker.signal.aborted).toBe(true));
    finish("x");
    expect(await loop).toEqual({ processed: 0, failed: 0, unacknowledged: 1, stopped: "lease_lost" });
  });
});
