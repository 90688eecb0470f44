/** How far ahead a loop claims, and what it gives back, by a clock that the test sets. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ClaimsAhead } from "../../../src/client/worker/claims-ahead.ts";
import { SessiondError } from "../../../src/error.ts";

/** A worker whose claims are answered at once, and a loop over its files. */
function scene({ left = 100_000, workers = 1 } = {}) {
  const claims: number[] = [];
  const released: string[][] = [];
  const errors: unknown[] = [];
  let last = 0;
  const worker = {
    status: "running" as const,
    left,
    workers,
    async claim(count: number) {
      claims.push(count);
      const files = Array.from({ length: Math.min(count, worker.left) }, () => `f${last++}`);
      return { files, left: worker.left, workers };
    },
    async release(files: readonly string[]) {
      released.push([...files]);
    },
  };
  const files = new ClaimsAhead(worker, { wake: () => {}, failed: (error) => errors.push(error) });
  /** Works through the files for so long, each of which takes so long, one at a time. */
  const work = async (ms: number, fileMs: number) => {
    for (let at = 0; at < ms; at += fileMs) {
      files.need(1, 0);
      await Promise.resolve();
      await Promise.resolve();
      const file = files.next() as string;
      files.need(0, 1);
      await vi.advanceTimersByTimeAsync(fileMs);
      files.ended(file);
      worker.left--;
    }
  };
  return { worker, files, claims, released, errors, work };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

describe("claims ahead", () => {
  it("grow from one file to a second's worth, and not beyond", async () => {
    const { files, claims, work } = scene();
    await work(5000, 2);
    expect(claims[0]).toBe(1);
    expect(Math.max(...claims)).toBeLessThanOrEqual(500);
    expect(Math.max(...claims)).toBeGreaterThan(200);
    expect(claims.length).toBeLessThan(40);
    expect(files.count).toBeLessThanOrEqual(500);
  });

  it("are one file at a time while a file takes longer than a second", async () => {
    const { files, claims, released, work } = scene();
    await work(300_000, 30_000);
    expect(claims).toEqual(Array(10).fill(1));
    expect(files.count).toBe(0);
    expect(released).toEqual([]);
  });

  it("are no more than the fair part of what is left, but one for each free slot", async () => {
    const { worker, files, claims, work } = scene({ workers: 4, left: 2000 });
    await work(2000, 2);
    expect(Math.max(...claims)).toBeLessThanOrEqual(500);
    worker.left = 8;
    files.end();
    const other = scene({ workers: 4, left: 8 });
    other.files.need(3, 0);
    expect(other.claims).toEqual([3]);
  });

  it("go back when the work has become slower, so that others need not wait", async () => {
    const { worker, files, released, work } = scene();
    await work(3000, 2);
    const ahead = files.count;
    expect(ahead).toBeGreaterThan(100);
    files.need(0, 1);
    await vi.advanceTimersByTimeAsync(4000);
    expect(released.flat()).toHaveLength(ahead);
    expect(files.count).toBe(0);
    // A pause is nobody's slowness.
    await work(3000, 2);
    released.length = 0;
    Object.assign(worker, { status: "paused" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(released).toEqual([]);
  });

  it("go back at the end, each for itself if one of them is lost", async () => {
    const { worker, files, released, errors } = scene();
    files.need(4, 0);
    await vi.advanceTimersByTimeAsync(0);
    expect(files.next()).toBe("f0");
    worker.release = async (all) => {
      released.push([...all]);
      if (all.includes("f2")) throw new SessiondError("not_claimed", "it is gone");
    };
    files.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(released).toEqual([["f1", "f2", "f3"], ["f1"], ["f2"], ["f3"]]);
    files.giveBack(["f0"]);
    expect(released.at(-1)).toEqual(["f0"]);
    files.need(4, 0);
    expect(errors).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are worked on here if they cannot go back", async () => {
    const { worker, files } = scene();
    files.need(2, 0);
    await vi.advanceTimersByTimeAsync(0);
    worker.release = () => Promise.reject(new SessiondError("storage_full", "the disk is full"));
    files.giveBack([files.next() as string]);
    await vi.advanceTimersByTimeAsync(0);
    expect([files.next(), files.next()]).toEqual(["f1", "f0"]);
  });

  it("end when nothing is left, and go on when files are added", async () => {
    const { worker, files, claims, errors } = scene({ left: 0 });
    files.need(1, 0);
    expect(files.isWaiting).toBe(true);
    expect(files.isThrough).toBe(false);
    await vi.advanceTimersByTimeAsync(0);
    expect(files.isThrough).toBe(true);
    files.need(1, 0);
    expect(claims).toEqual([1]);
    worker.left = 1;
    files.added();
    files.need(1, 0);
    await vi.advanceTimersByTimeAsync(0);
    expect(files.next()).toBe("f0");
    worker.claim = () => Promise.reject(new Error("broken"));
    files.need(1, 0);
    await vi.advanceTimersByTimeAsync(0);
    expect(errors).toEqual([new Error("broken")]);
    expect(files.isThrough).toBe(true);
    files.end();
  });
});
