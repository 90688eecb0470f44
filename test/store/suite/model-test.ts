/** Random commands and restarts, in any order: the store agrees with a plain map. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Session } from "../../../src/session/session.ts";
import { runs } from "../../support/runs.ts";
import { agree, content, id, Model, step, steps } from "./model.ts";
import { codeOf, type OpenedStore, type OpenStore, restarts } from "./opened-store.ts";

const backup = id.map((session_id) =>
  step(`backup ${session_id}`, async (model, { store }) => {
    const before = model.live.get(session_id);
    const made = store.backup(session_id);
    if (before === undefined) expect(await codeOf(made)).toMatch(/session_(deleted|not_found)/);
    else model.backups.set((await made).backup, before);
  }),
);

const restoreBackup = fc.tuple(id, fc.nat()).map(([session_id, which]) =>
  step(`restore a backup of ${session_id}`, async (model, { store }) => {
    const own = [...model.backups].filter(([, session]) => session.session_id === session_id);
    const [name, session] = own[which % (own.length || 1)] ?? [];
    if (name === undefined)
      return expect(await codeOf(store.restoreBackup(session_id, "none"))).toBe("invalid_request");
    const before = model.live.get(session_id);
    const { previous } = await store.restoreBackup(session_id, name);
    expect(previous === null).toBe(before === undefined);
    if (previous !== null) model.backups.set(previous, before as Session);
    const { session: restored } = await store.read(session_id);
    expect({ ...restored, revision: 0, generation: "" }).toEqual({ ...session, revision: 0, generation: "" });
    expect(restored.revision).toBeGreaterThan(before?.revision ?? 0);
    model.put(session_id, restored);
  }),
);

const start = fc.constantFrom(...Object.keys(restarts)).map((how) =>
  step(how, async (model, opened: OpenedStore) => {
    await restarts[how as keyof typeof restarts](opened);
    for (const [session_id, expected] of model.live) {
      const { session } = await opened.store.read(session_id);
      const { revision, generation } = expected;
      expect(session).toMatchObject({ revision, generation });
      expect(content(session)).toEqual(content(expected));
    }
  }),
);

const all = [...steps, backup, restoreBackup, start];

export function modelTests(open: OpenStore): void {
  test("agrees with the store, whatever happens in whatever order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.commands(all, { maxCommands: 30 }), async (commands) => {
        const opened: OpenedStore = await open();
        const model = new Model();
        try {
          await fc.asyncModelRun(() => ({ model, real: opened }), commands);
          await agree(model, opened.store);
          await opened.reopen();
          await agree(model, opened.store);
        } finally {
          await opened.close();
        }
      }),
      runs(15, 300),
    );
  });
}
