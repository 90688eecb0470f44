/** What a request may add to a session is bounded, and what it may not add is not kept. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { SessionStore } from "../../../src/store/session-store.ts";
import { codeOf, config, document, type OpenStore, openFor } from "./opened-store.ts";

const id = parseSessionId("s");

function labels(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, "v"]));
}

const oddRun = { command: [] };
const blank = { ...config, file_patterns: [" "] };

const refused: Record<string, (store: SessionStore) => Promise<unknown>> = {
  "a creation with too many labels": (store) =>
    store.create({ session_id: "new", config, labels: labels(65) }),
  "a creation without a file pattern": (store) => store.create({ session_id: "new", config: blank }),
  "a save of a new session with a long label": (store) =>
    store.save(document("new", { labels: { a: "v".repeat(1025) } })),
  "a save of a new session without a file pattern": (store) => store.save(document("new", { config: blank })),
  "a save over another with too many labels": (store) => store.save(document("s", { labels: labels(65) })),
  "a save over another without a file pattern": (store) => store.save(document("s", { config: blank })),
  "an edit with a long key": (store) =>
    store.apply(id, { type: "edit", pinned: true, labels: { ["k".repeat(129)]: "v" } }),
  "a creation with an odd run": (store) => store.create({ session_id: "new", config, run: oddRun }),
  "a save over another with an odd run": (store) => store.save(document("s", { run: "cat {}" })),
  "an edit with an odd command": (store) => store.apply(id, { type: "edit", pinned: true, run: oddRun }),
  "an edit with an odd directory": (store) => store.apply(id, { type: "edit", run: { directory: "here" } }),
  "an edit with one label too many": (store) => store.apply(id, { type: "edit", labels: { more: "v" } }),
};

export function additionTests(open: OpenStore): void {
  test.each(Object.keys(refused))("%s is refused, and nothing of it is kept", async (what) => {
    const opened = await openFor(open);
    await opened.store.create({
      session_id: "s",
      config,
      labels: labels(64),
      run: { command: ["a"] },
    });
    const before = await opened.store.read(id);
    expect(await codeOf(refused[what]?.(opened.store) as Promise<unknown>)).toBe("invalid_request");
    await opened.reopen();
    expect(await opened.store.read(id)).toEqual(before);
    expect(await opened.store.stats()).toMatchObject({ total: 1 });
  });

  test("a label can be removed, replaced, and added where one went", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: "s", config, labels: labels(64) });
    await store.apply(id, { type: "edit", labels: { k0: null, k1: "other", more: "v" } });
    const { k0: _, ...kept } = labels(64);
    expect((await store.read(id)).session.labels).toEqual({ ...kept, k1: "other", more: "v" });
  });
}
