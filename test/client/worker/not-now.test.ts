/** Tests a loop whose work throws NotNow. */
import { expect, it } from "vitest";
import { NotNow } from "../../../src/client/worker/not-now.ts";
import { mostRefusals } from "../../../src/pacing/refused-files.ts";
import { names, servedScene } from "./fixture.ts";

it("leaves a refused file pending, behind the others, until the time that was named", async () => {
  const { client, create, attach } = await servedScene();
  await create("a", ["a", "b", "c"]);
  const worker = await attach("a");
  const began: [string, number][] = [];
  let refusedAt = 0;
  const work = (file: string) => {
    began.push([file, performance.now()]);
    if (file !== "a" || refusedAt !== 0) return "fine";
    refusedAt = performance.now();
    throw new NotNow({ retryAfterMs: 150 });
  };
  const summary = await worker.forEach(work);
  expect(summary).toEqual({ processed: 3, failed: 0, unacknowledged: 0, stopped: null });
  expect(began.map(([file]) => file)).toEqual(["a", "b", "c", "a"]);
  expect((began[1]?.[1] as number) - refusedAt).toBeGreaterThanOrEqual(150);
  expect(await client.getSession("a")).toMatchObject({ pending_files: [], partial_results: { a: "fine" } });
});

it("works on fewer files at once after a refusal", async () => {
  const { create, attach } = await servedScene();
  await create("a", names(60));
  const worker = await attach("a");
  const [eight, four] = [gate(8), gate(4)];
  let running = 0;
  let isRefused = false;
  /** How many files are worked on whenever one begins after the refusal. */
  const atOnce: number[] = [];
  await worker.forEach(
    async (file) => {
      running++;
      if (isRefused) atOnce.push(running);
      await (isRefused ? four : eight)();
      running--;
      if (file !== "src/0.ts" || isRefused) return;
      isRefused = true;
      throw new NotNow({ retryAfterMs: 20 });
    },
    { concurrency: 8 },
  );
  // Four begin instead of eight, and four more in their place, before there are successes enough for a fifth.
  expect(atOnce.slice(0, 4)).toEqual([1, 2, 3, 4]);
  expect(Math.max(...atOnce.slice(4, 8))).toBe(4);
  expect(Math.max(...atOnce)).toBeGreaterThan(4);
});

/** A wait that is over for everybody once so many wait. */
function gate(count: number): () => Promise<void> {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  let waiting = 0;
  return () => {
    if (++waiting === count) open();
    return opened;
  };
}

it("gives a file to onError that is refused again and again while others succeed", async () => {
  const { client, create, attach } = await servedScene();
  await create("a", ["bad", "good"]);
  const worker = await attach("a");
  const errors: unknown[] = [];
  let refusals = 0;
  const work = (file: string) => {
    if (file === "good") return "fine";
    refusals++;
    throw new NotNow({ retryAfterMs: 1, message: `no ${refusals}` });
  };
  const summary = await worker.forEach(work, {
    onError(error, file) {
      errors.push(error);
      return { error: `${file} was refused` };
    },
  });
  expect(summary.processed).toBe(2);
  expect(refusals).toBe(mostRefusals);
  expect(errors).toEqual([new NotNow({ retryAfterMs: 1, message: `no ${mostRefusals}` })]);
  expect((await client.getSession("a")).partial_results).toHaveProperty("bad", {
    error: "bad was refused",
  });
});

it("ends when nothing has succeeded for too long, and leaves the files pending", async () => {
  const { client, create, attach } = await servedScene();
  await create("a", ["a", "b"]);
  const worker = await attach("a");
  let asked = 0;
  const work = () => {
    asked++;
    throw new NotNow({ retryAfterMs: 60_000 });
  };
  const began = performance.now();
  expect(await worker.forEach(work, { maxDeferMs: 100 })).toMatchObject({ processed: 0, stopped: "not_now" });
  expect(performance.now() - began).toBeGreaterThanOrEqual(100);
  // At the end of the time it tries once more.
  expect(asked).toBe(2);
  expect(await client.getSession("a")).toMatchObject({ status: "running", pending_files: ["a", "b"] });
  await expect(worker.forEach(work, { maxDeferMs: -1 })).rejects.toMatchObject({ code: "invalid_request" });
});

it("ends a wait at once when the loop is to end", async () => {
  const { create, attach } = await servedScene();
  await create("a", ["a"]);
  const worker = await attach("a");
  const stop = new AbortController();
  const work = () => {
    setTimeout(() => stop.abort(), 1);
    throw new NotNow({ retryAfterMs: 60_000 });
  };
  expect(await worker.forEach(work, { signal: stop.signal })).toMatchObject({ stopped: "aborted" });
});

it("takes a time that cannot be kept for no time", () => {
  for (const retryAfterMs of [-1, 0, Number.NaN, undefined]) {
    expect(new NotNow({ retryAfterMs }).retryAfterMs).toBeUndefined();
  }
  // Such as a header that was never converted: a sum with a text would be another text.
  const text = "300" as unknown as number;
  expect(new NotNow({ retryAfterMs: text }).retryAfterMs).toBeUndefined();
  expect(new NotNow()).toMatchObject({ name: "NotNow", message: "not now" });
});
