/** Which file begins next, and when. */
import { expect, onTestFinished, test } from "vitest";
import { type Item, newItem } from "../../src/runner/attempts.ts";
import { ListedFiles } from "../../src/runner/listed-files.ts";
import type { FileResult } from "../../src/runner/result.ts";
import { type Again, Starts } from "../../src/runner/starts.ts";

const defaults = { jobs: 1, delayMs: 0, retries: 0, retryDelayMs: 0, deferOn: [75], maxDeferMs: 86_400_000 };

function scene(names: string[], changes: Partial<typeof defaults> = {}) {
  const files = new ListedFiles({ processed_files: [], pending_files: names }, []);
  const slowing: string[] = [];
  const hooks = {
    wake() {},
    slowing: (file: string, exitCode: number) => slowing.push(`${file} ${exitCode}`),
  };
  const starts = new Starts(files, { ...defaults, ...changes }, hooks);
  onTestFinished(() => void starts.abandon());
  const begin = (nowMs: number, mayBeginFresh = true) =>
    starts.begin(nowMs, mayBeginFresh, (file) => ({ ...newItem(file, 1, 0), attempt: 0 }));
  /** Ends an attempt, and returns what follows from it. */
  const end = (item: Item, nowMs: number, exit_code: number, stderr = "") => {
    item.attempt++;
    const verdict = starts.attempted(item, { exit_code, stdout: "", stderr } as FileResult, nowMs);
    if (typeof verdict === "object") starts.again(item, verdict);
    else files.end(item.file, { succeeded: exit_code === 0 });
    return verdict;
  };
  return { files, starts, slowing, begin, end };
}

test("a refused file begins again behind the others, and its attempt does not count", () => {
  const { starts, slowing, begin, end } = scene(["a", "b"]);
  const a = begin(0) as Item;
  expect(end(a, 100, 75, "Retry-After: 3")).toEqual({ dueMs: "behind" });
  expect(a).toMatchObject({ attempt: 0, deferred: 1 });
  expect(slowing).toEqual(["a 75"]);
  expect(begin(3000)).toBeUndefined();
  const { waiting, deferred } = starts.pace(3000);
  expect([deferred, waiting?.reason]).toEqual([1, "not now, Retry-After"]);
  expect(waiting?.untilMs).toBeGreaterThanOrEqual(3100);
  const b = begin(4000) as Item;
  expect(b.file).toBe("b");
  end(b, 4100, 0);
  expect(begin(4100)).toBe(a);
  expect(end(a, 4200, 0)).toBe("ended");
  expect(starts.isThrough).toBe(true);
});

test("other exit statuses, or none, may mean not now", () => {
  const some = scene(["a"], { deferOn: [1, 3] });
  expect(some.end(some.begin(0) as Item, 1, 3)).toEqual({ dueMs: "behind" });
  const none = scene(["a"], { deferOn: [] });
  expect(none.end(none.begin(0) as Item, 1, 75)).toBe("ended");
});

test("a failed file waits longer before each attempt, and others run meanwhile", () => {
  const { starts, begin, end } = scene(["a", "b"], { retries: 2, retryDelayMs: 1000 });
  const a = begin(0) as Item;
  const { dueMs: first } = end(a, 0, 1) as Again;
  expect(first).toBeGreaterThanOrEqual(1000);
  expect(first).toBeLessThanOrEqual(1250);
  const b = begin(10) as Item;
  expect(b.file).toBe("b");
  end(b, 20, 0);
  expect(begin(900)).toBeUndefined();
  expect(starts.isThrough).toBe(false);
  expect(starts.pace(900)).toMatchObject({ waiting: { untilMs: first, reason: "before the next attempt" } });
  expect(begin(1300)).toBe(a);
  const { dueMs: second } = end(a, 1300, 1) as Again;
  expect(second).toBeGreaterThanOrEqual(3300);
  expect(begin(3900)).toBe(a);
  expect(end(a, 3900, 1)).toBe("ended");
  expect(a.attempt).toBe(3);
});

test("without a delay, a failed file is the next", () => {
  const { begin, end } = scene(["a", "b"], { retries: 1 });
  const a = begin(0) as Item;
  end(a, 5, 1);
  expect(begin(5)).toBe(a);
});

test("a retry is a start like any other: it waits while nothing may begin", () => {
  const { begin, end } = scene(["a", "b"], { jobs: 2, retries: 1 });
  const [a, b] = [begin(0), begin(0)] as [Item, Item];
  end(b, 100, 75, "Retry-After: 9");
  end(a, 200, 1);
  expect(begin(5000)).toBeUndefined();
  expect(begin(10_000)).toBe(a);
});

test("between two starts is the delay, at least", () => {
  const { starts, begin, end } = scene(["a", "b", "c"], { jobs: 3, delayMs: 2000, retries: 1 });
  const a = begin(0) as Item;
  expect(begin(0)).toBeUndefined();
  expect(begin(1999)).toBeUndefined();
  expect(begin(2000)).toMatchObject({ file: "b" });
  // An attempt is a start too, and time that has passed is not made up for.
  end(a, 2000, 1);
  expect(begin(3999)).toBeUndefined();
  expect(begin(9000)).toBe(a);
  expect(begin(10_999)).toBeUndefined();
  expect(begin(11_000)).toMatchObject({ file: "c" });
  expect(starts.isThrough).toBe(true);
});

test("while no fresh file may begin, those that have begun before may", () => {
  const { begin, end } = scene(["a", "b"]);
  const a = begin(0) as Item;
  end(a, 0, 75);
  expect(begin(2000, false)).toBe(a);
});

test("a file that is refused 20 times while others succeed is at fault", () => {
  const { starts, begin, end } = scene(["bad", "good"]);
  let nowMs = 0;
  const verdicts: unknown[] = [];
  while (!starts.isThrough) {
    nowMs += 400_000;
    const item = begin(nowMs) as Item;
    verdicts.push(end(item, nowMs, item.file === "bad" ? 75 : 0));
  }
  expect(verdicts.filter((verdict) => typeof verdict === "object")).toHaveLength(19);
  expect(verdicts.at(-1)).toBe("at fault");
});

test("it gives up when nothing has succeeded for too long", () => {
  const { starts, begin, end } = scene(["a"], { maxDeferMs: 5000 });
  end(begin(0) as Item, 0, 75);
  expect(starts.givenUp).toBeUndefined();
  end(begin(5000) as Item, 5000, 75);
  expect(starts.givenUp).toBe("nothing has succeeded for 5s: not now (exit status 75; --max-defer 5s)");
});

test("abandoned files are pending, as if they had not begun", () => {
  const { files, starts, begin, end } = scene(["a", "b", "c"], { jobs: 2, retries: 1, retryDelayMs: 1000 });
  const [a, b] = [begin(0), begin(0)] as [Item, Item];
  end(a, 0, 1);
  end(b, 0, 75);
  expect(new Set(starts.abandon())).toEqual(new Set([a, b]));
  expect(files).toMatchObject({ left: 3, count: 3 });
  expect(starts).toMatchObject({ retrying: 0, isThrough: false });
});
