/** Which files of a run are left, worked on and ended, while others change the session. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ListedFiles } from "../../src/runner/listed-files.ts";
import { runs } from "../support/runs.ts";

function beginAll(files: ListedFiles): string[] {
  const begun: string[] = [];
  for (let file = files.begin(); file !== undefined; file = files.begin()) begun.push(file);
  return begun;
}

const lists = { processed_files: ["good", "bad"], pending_files: ["a", "b", "c"] };

test("files begin in the order of the session; one that is put back is the next", () => {
  const files = new ListedFiles(lists, ["bad"]);
  expect(files).toMatchObject({ left: 3, count: 3, doneEarlier: 1, failedEarlier: 1, done: 0, failed: 0 });
  expect([files.begin(), files.begin()]).toEqual(["a", "b"]);
  files.putBack("a");
  expect(files).toMatchObject({ left: 2, count: 3 });
  files.end("b", { succeeded: false });
  expect(files).toMatchObject({ left: 2, count: 3, failed: 1 });
  expect(beginAll(files)).toEqual(["a", "c"]);
});

test("files that others process, requeue, add and take away count as the session has them", () => {
  const files = new ListedFiles(lists, ["bad"]);
  for (const file of ["a", "b"]) {
    files.begin();
    files.end(file, { succeeded: true });
  }
  files.follow({ processed_files: ["good", "b", "c"], pending_files: ["bad", "new", "a"] });
  expect(files).toMatchObject({ left: 3, count: 4, done: 1, failed: 0, doneEarlier: 2, failedEarlier: 0 });
  expect(beginAll(files)).toEqual(["bad", "new", "a"]);
});

test("a file that is worked on does not begin again, whatever the session says of it", () => {
  const files = new ListedFiles(lists, []);
  files.begin();
  files.begin();
  files.follow({ processed_files: ["good", "bad", "b"], pending_files: ["c", "a"] });
  expect(files).toMatchObject({ left: 1, count: 3, doneEarlier: 2 });
  files.putBack("a");
  files.end("b", { succeeded: true });
  expect(beginAll(files)).toEqual(["a", "c"]);
});

test("whatever happens, each file counts once, and none is worked on twice at a time", () => {
  const name = fc.constantFrom(..."abcdefgh");
  const step = fc.oneof(
    fc.constant("begin" as const),
    fc.record({ end: fc.nat(7), succeeded: fc.boolean() }),
    fc.record({ back: fc.nat(7) }),
    fc.record({ processed: fc.uniqueArray(name), pending: fc.uniqueArray(name) }),
  );
  const property = fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
    let session = { processed_files: ["a", "b", "x"], pending_files: ["c", "d", "e", "f"] };
    const files = new ListedFiles(session, ["x"]);
    const working: string[] = [];
    const take = (at: number) => working.splice(at % working.length, 1)[0] as string;
    for (const one of steps) {
      if (one === "begin") {
        const file = files.begin();
        if (file === undefined) continue;
        expect(working).not.toContain(file);
        expect(session.pending_files).toContain(file);
        working.push(file);
      } else if ("processed" in one) {
        session = { processed_files: one.processed, pending_files: one.pending };
        files.follow(session);
      } else if (working.length === 0) {
      } else if ("back" in one) {
        const file = take(one.back);
        files.putBack(file);
        session = {
          processed_files: session.processed_files.filter((each) => each !== file),
          pending_files: [...new Set([file, ...session.pending_files])],
        };
      } else {
        const file = take(one.end);
        files.end(file, { succeeded: one.succeeded });
        session = {
          processed_files: [...new Set([...session.processed_files, file])],
          pending_files: session.pending_files.filter((each) => each !== file),
        };
      }
      const all = new Set([...session.processed_files, ...session.pending_files, ...working]);
      const { left, count, done, failed, doneEarlier, failedEarlier } = files;
      expect(doneEarlier + failedEarlier + count).toBe(all.size);
      expect(left + working.length + done + failed).toBe(count);
      expect(Math.min(left, doneEarlier, failedEarlier, done, failed)).toBeGreaterThanOrEqual(0);
    }
    expect(new Set(beginAll(files))).toEqual(
      new Set(session.pending_files.filter((file) => !working.includes(file))),
    );
  });
  fc.assert(property, runs(200, 5000));
});

test("files that were refused begin after the others, in their order, and wherever the session has them", () => {
  const files = new ListedFiles(lists, []);
  for (const file of ["a", "b"]) {
    expect(files.begin()).toBe(file);
    files.defer(file);
  }
  expect(files).toMatchObject({ left: 3, count: 3, isFreshLeft: true });
  expect(files.begin({ mayBeginFresh: false })).toBe("a");
  files.defer("a");
  files.follow({ ...lists, pending_files: ["b", "a", "c", "new"] });
  expect(beginAll(files)).toEqual(["c", "new", "b", "a"]);
  files.defer("b");
  files.follow({ ...lists, pending_files: ["a", "c", "new"] });
  expect(files).toMatchObject({ left: 0, isFreshLeft: false });
});
