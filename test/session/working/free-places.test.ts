/** Which pending files are handed out next, whatever was handed out, given back and finished before. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { FileLists } from "../../../src/session/working/file-lists.ts";
import { runs } from "../../support/runs.ts";

function handedOut(lists: FileLists, count: number, taken: Set<string> = new Set()): string[] {
  const names: string[] = [];
  lists.handOut(count, (name) => {
    if (taken.has(name)) return false;
    taken.add(name);
    names.push(name);
    return true;
  });
  return names;
}

test("hands out pending files in order, each once", () => {
  const lists = new FileLists(["x"], ["a", "b", "c"]);
  expect(handedOut(lists, 2)).toEqual(["a", "b"]);
  expect(handedOut(lists, 2)).toEqual(["c"]);
  expect(handedOut(lists, 2)).toEqual([]);
  lists.add("d");
  lists.add("x");
  expect(handedOut(lists, 2)).toEqual(["d"]);
});

test("what was given back comes first, in its place, unless it was finished", () => {
  const lists = new FileLists([], ["a", "b", "c", "d", "e"]);
  handedOut(lists, 4);
  for (const name of ["d", "a", "c", "b"]) lists.giveBack(name);
  lists.finish("b");
  expect(handedOut(lists, 9)).toEqual(["a", "c", "d", "e"]);
});

test("whatever is taken, given back, finished and added: the first free files are handed out", () => {
  const step = fc.record({ kind: fc.constantFrom("take", "give back", "finish", "add"), which: fc.nat(20) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: "max" }), (steps) => {
      const lists = new FileLists([], ["f0", "f1", "f2", "f3"]);
      const taken = new Set<string>();
      let pending = lists.pending();
      let count = pending.length;
      for (const { kind, which } of steps) {
        const name = pending[which % (pending.length || 1)];
        if (kind === "take") {
          const wanted = which % 4;
          const free = pending.filter((one) => !taken.has(one)).slice(0, wanted);
          expect(handedOut(lists, wanted, taken)).toEqual(free);
        } else if (kind === "add") {
          lists.add(`f${count++}`);
        } else if (name !== undefined && kind === "finish") {
          lists.finish(name);
          taken.delete(name);
        } else if (name !== undefined && taken.delete(name)) lists.giveBack(name);
        pending = lists.pending();
        expect(lists.inOrder([...pending].reverse())).toEqual(pending);
      }
    }),
    runs(300, 3000),
  );
});

test("taking one file after another costs the same, however many are taken and finished", () => {
  const names = Array.from({ length: 100_000 }, (_, index) => `directory/file-${index}.ts`);
  const lists = new FileLists([], names);
  const taken = new Set<string>();
  let offered = 0;
  for (let round = 0; round < 50_000; round++) {
    lists.handOut(1, (name) => {
      offered++;
      if (taken.has(name)) return false;
      taken.add(name);
      return true;
    });
    const name = names[round] as string;
    if (round % 3 === 0) lists.finish(name);
    else if (round % 3 === 1) {
      taken.delete(name);
      lists.giveBack(name);
    }
  }
  // Each file is offered once when it is first reached, and once for each time that it is given back.
  expect(offered).toBeLessThan(100_000);
});
