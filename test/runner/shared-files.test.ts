/** Which files of a shared session a run begins, and what it gives back. */
import { expect, onTestFinished, test, vi } from "vitest";
import { SessionCounts } from "../../src/runner/session-counts.ts";
import { SharedFiles } from "../../src/runner/shared-files.ts";

/** Hands out files as a worker with claims does. */
class Claims {
  readonly here: string[] = [];
  readonly needs: string[] = [];
  readonly given: string[] = [];
  readonly ended_: string[] = [];
  isThrough = false;

  need(free: number, running: number): void {
    this.needs.push(`${free}/${running}`);
  }
  next(): string | undefined {
    return this.here.shift();
  }
  ended(file: string): void {
    this.ended_.push(file);
  }
  giveBack(files: string[]): void {
    this.given.push(...files);
  }
}

function scene(pending = 10) {
  const claims = new Claims();
  const counts = new SessionCounts({ processed: 0, failed: 0, pending, workers: 2 });
  const told: string[] = [];
  const files = new SharedFiles(claims, counts, {
    wake: () => told.push("wake"),
    ended: () => told.push("ended"),
  });
  onTestFinished(() => files.close());
  return { claims, counts, files, told };
}

test("a file is asked for when it can begin, and for no more than can", () => {
  const { claims, files } = scene();
  expect(claims.needs).toEqual([]);
  expect(files.begin({ free: 3 })).toBeUndefined();
  claims.here.push("a", "b");
  expect([files.begin({ free: 3 }), files.begin({ free: 2 })]).toEqual(["a", "b"]);
  expect(claims.needs).toEqual(["3/0", "3/0", "2/1", "2/1", "1/2"]);
  expect(files).toMatchObject({ left: 8, count: 10, isThrough: false });
  files.end("a", { succeeded: true });
  expect(files).toMatchObject({ left: 8, count: 10, done: 1 });
  expect(claims.ended_).toEqual(["a"]);
});

test("a file that is put back is the next; after the end of the run, others may have it", () => {
  const { claims, files } = scene();
  claims.here.push("a", "b", "c", "d");
  for (const file of ["a", "b", "c"]) expect(files.begin()).toBe(file);
  files.putBack("b");
  expect(files.begin()).toBe("b");
  files.putBack("b");
  files.defer("c");
  files.close();
  expect(claims.given).toEqual(["b", "c"]);
  files.putBack("a");
  expect(claims.given).toEqual(["b", "c", "a"]);
  expect(files.begin()).toBeUndefined();
});

test("a refused file begins behind those that the claim under way may bring, but waits for no others", () => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const { claims, files, told } = scene();
  claims.here.push("a");
  expect(files.begin()).toBe("a");
  files.defer("a");
  expect(files.begin()).toBeUndefined();
  claims.here.push("b");
  expect(files.begin()).toBe("b");
  files.end("b", { succeeded: true });
  expect(files.begin()).toBeUndefined();
  vi.advanceTimersByTime(249);
  expect([files.begin(), told]).toEqual([undefined, ["ended"]]);
  vi.advanceTimersByTime(1);
  expect(told).toEqual(["ended", "wake"]);
  expect(files.begin()).toBe("a");
});

test("it is through when no file will come, and none is left that was refused or put back", () => {
  const { claims, files } = scene(2);
  claims.here.push("a", "b");
  for (const file of ["a", "b"]) expect(files.begin()).toBe(file);
  claims.isThrough = true;
  expect(files.isThrough).toBe(true);
  files.defer("a");
  files.putBack("b");
  expect(files.isThrough).toBe(false);
  expect([files.begin(), files.begin()]).toEqual(["b", "a"]);
  expect(files.isThrough).toBe(true);
});

test("a file that another worker has now is none of this run any more", () => {
  const { claims, files } = scene();
  claims.here.push("a");
  files.begin();
  files.drop("a");
  files.close();
  expect([files.done, claims.given]).toEqual([0, []]);
});
