import fc from "fast-check";
import { expect, test } from "vitest";
import { pageOf } from "../../../src/server/http/page.ts";

function readAll(lists: readonly (readonly string[])[], limit: number): string[] {
  const seen: string[] = [];
  let cursor: string | null | undefined;
  for (let turn = 0; cursor !== null; turn++) {
    const list = lists[Math.min(turn, lists.length - 1)] as readonly string[];
    const page = pageOf(list, { limit, cursor: cursor ?? undefined });
    seen.push(...page.items);
    cursor = page.next_cursor;
  }
  return seen;
}

const names = fc.uniqueArray(fc.string({ maxLength: 4 }), { maxLength: 20 });

test("a list that stands still is given once, in order", () => {
  fc.assert(
    fc.property(names, fc.integer({ min: 1, max: 7 }), (list, limit) => {
      expect(readAll([list], limit)).toEqual(list);
    }),
  );
});

test("of a list that shrinks and grows, no name that stays is missed", () => {
  const change = fc.record({ gone: fc.func(fc.boolean()), added: names });
  fc.assert(
    fc.property(
      names,
      fc.array(change, { maxLength: 4 }),
      fc.integer({ min: 1, max: 7 }),
      (list, changes, limit) => {
        const lists = [list];
        for (const { gone, added } of changes) {
          // A name that is gone does not come back: a processed file is never pending again.
          const left = (lists.at(-1) as string[]).filter((name) => !gone(name));
          lists.push([...left, ...added.filter((name) => !lists.flat().includes(name))]);
        }
        const stayed = list.filter((name) => lists.every((state) => state.includes(name)));
        expect(new Set(readAll(lists, limit))).toEqual(
          new Set([...new Set(readAll(lists, limit)), ...stayed]),
        );
      },
    ),
  );
});
