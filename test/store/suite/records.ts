/** Records: small durable documents and logs of the daemon's own. */
import { expect, test } from "vitest";
import { z } from "zod";
import type { JsonValue } from "../../../src/json/exact-json.ts";
import { type OpenStore, openFor, restarts } from "./opened-store.ts";

export function recordTests(open: OpenStore): void {
  test("a document is what it was replaced with last, and nothing before", async () => {
    const { store } = await openFor(open);
    expect(await store.records.load("schedule")).toBeUndefined();
    await store.records.replace("schedule", { jobs: [1] });
    await store.records.replace("other", "text");
    const value = { jobs: [{ at: 2, ключ: null }], __proto__: 1 };
    await store.records.replace("schedule", value);
    expect(await store.records.load("schedule")).toEqual(value);
    expect(await store.records.load("other")).toBe("text");
  });

  test("a document that many replace at once is what the last call says", async () => {
    const { store } = await openFor(open);
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.records.replace("d", n)));
    expect(await store.records.load("d")).toBe(19);
  });

  test("updates of a document come one after another", async () => {
    const opened = await openFor(open);
    const schema = z.object({ count: z.int() });
    const more = (by: number) =>
      opened.store.records.update("d", schema, (value) => ({ count: (value?.count ?? 0) + by }));
    expect(await more(1)).toEqual({ count: 1 });
    await Promise.all(Array.from({ length: 20 }, () => more(1)));
    expect(await opened.store.records.load("d", schema)).toEqual({ count: 21 });
    const failing = opened.store.records.update("d", schema, () => {
      throw new Error("no change");
    });
    await expect(failing).rejects.toThrow("no change");
    await opened.reopen();
    expect(await more(1)).toEqual({ count: 22 });
  });

  test("nobody shares what is kept", async () => {
    const { store } = await openFor(open);
    const value = { list: [1] };
    await store.records.replace("d", value);
    await store.records.append("log", [value]);
    value.list.push(2);
    ((await store.records.load("d")) as unknown as typeof value).list.push(3);
    expect(await store.records.load("d")).toEqual({ list: [1] });
    expect((await store.records.tail("log", 1)).entries).toEqual([{ list: [1] }]);
  });

  test("a log is read from its newest entry on, page by page", async () => {
    const { store } = await openFor(open);
    expect(await store.records.tail("log", 10)).toEqual({ entries: [], cursor: null });
    const entries: JsonValue[] = [];
    for (let n = 0; n < 7; n++) {
      const two = [{ n }, `ä\n${n}`];
      await store.records.append("log", two);
      entries.unshift(...[...two].reverse());
    }
    await store.records.append("log", []);
    await store.records.append("other", [1]);
    expect((await store.records.tail("log", 100)).entries).toEqual(entries);
    expect((await store.records.tail("log", 100)).cursor).toBeNull();
    for (const limit of [1, 3, 5, 14]) {
      const read: JsonValue[] = [];
      let cursor: string | null | undefined;
      do {
        const page = await store.records.tail("log", limit, cursor ?? undefined);
        expect(page.entries.length).toBeLessThanOrEqual(limit);
        read.push(...page.entries);
        ({ cursor } = page);
      } while (cursor !== null);
      expect(read).toEqual(entries);
    }
  });

  test("a page goes on where the one before ended, though entries were appended meanwhile", async () => {
    const { store } = await openFor(open);
    await store.records.append("log", [1, 2, 3, 4]);
    const { cursor } = await store.records.tail("log", 2);
    await store.records.append("log", [5, 6]);
    expect((await store.records.tail("log", 10, cursor as string)).entries).toEqual([2, 1]);
  });

  test("a cursor that no page gave out is refused", async () => {
    const { store } = await openFor(open);
    await store.records.append("log", [1, 2]);
    await expect(store.records.tail("log", 1, "nonsense")).rejects.toMatchObject({ code: "invalid_request" });
  });

  test.each(Object.entries(restarts))("are as they were after a %s", async (_, start) => {
    const opened = await openFor(open);
    await opened.store.records.replace("d", { a: 1 });
    await opened.store.records.append("log", [1, 2]);
    await start(opened);
    await opened.store.records.append("log", [3]);
    expect(await opened.store.records.load("d")).toEqual({ a: 1 });
    expect((await opened.store.records.tail("log", 10)).entries).toEqual([3, 2, 1]);
  });
}
