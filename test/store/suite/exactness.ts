/** Nothing that went in comes out different, whichever way it goes in and through whatever it is kept. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactNumber, type JsonObject, parseJson, stringifyJson } from "../../../src/json/exact-json.ts";
import type { Session } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { session as anySession } from "../../support/arbitraries.ts";
import { runs } from "../../support/runs.ts";
import { config, document, type OpenedStore, type OpenStore, openFor, restarts } from "./opened-store.ts";

const id = parseSessionId("s");

/** What JavaScript alone would lose. */
const exact = parseJson(
  '{"__proto__":12345678901234567890,"constructor":{"__proto__":{"x":1}},"π":3.14159265358979323846264338327950288,' +
    '"spelled":[85.0,1E+2,1e2,2.118713766482637e+16,1e23,-0,-0.0,0.10,0e5],"z":-0.0,"huge":1e400,"tiny":-1e-400,"half":"\\ud83d","2":"numbers first","1":"in no order","":null,"toJSON":1}',
) as JsonObject;

const ways: Record<string, (opened: OpenedStore) => Promise<unknown>> = {
  create: ({ store }) =>
    store.create({
      session_id: "s",
      config: { ...config, coding_standards: exact },
      labels: { __proto__: "l" } as never,
    }),
  save: ({ store }) => store.save(document("s", { partial_results: exact, extra: exact })),
  "save over another": async ({ store }) => {
    await store.create({ session_id: "s", config });
    await store.save(document("s", { partial_results: exact, extra: [exact] }));
  },
  report: async ({ store }) => {
    await store.create({ session_id: "s", config });
    await store.report(id, { processed: ["\ud800", "__proto__"], results: exact });
  },
  "report with its JSON": async ({ store }) => {
    await store.create({ session_id: "s", config });
    const delta = { results: exact, added: ["__proto__"] };
    await store.report(id, delta, { json: Buffer.from(stringifyJson(delta)) });
  },
  checkpoint: async ({ store }) => {
    await store.create({ session_id: "s", config });
    const checkpoint = { processed_files: ["\udfff"], pending_files: ["b", "a"], partial_results: exact };
    await store.apply(id, { type: "checkpoint", checkpoint });
  },
  "edit of labels": async ({ store }) => {
    await store.create({ session_id: "s", config });
    await store.apply(id, { type: "edit", labels: JSON.parse('{"__proto__":"own","ä":"\\ud83d"}') });
  },
};

const documents = fc.uniqueArray(anySession, {
  minLength: 1,
  maxLength: 6,
  selector: ({ session_id }) => session_id,
});

/** As text, in which the order of keys and the spelling of numbers count. */
async function textOf({ store }: OpenedStore): Promise<string> {
  return stringifyJson((await store.read(id)).session);
}

/** After a kill a revision may be higher. */
function withoutRevision(text: string): string {
  return text.replace(/"revision":\d+/, "");
}

export function exactnessTests(open: OpenStore): void {
  test.each(Object.keys(ways))(
    "what comes in by a %s is kept through a change, a restart and a backup",
    async (way) => {
      const opened = await openFor(open);
      await ways[way]?.(opened);
      const text = await textOf(opened);
      if (way !== "edit of labels") {
        for (const kept of [
          "12345678901234567890",
          "3.14159265358979323846264338327950288",
          "-0.0",
          "1e400",
          "-1e-400",
          "[85.0,1E+2,1e2,2.118713766482637e+16,1e23,-0,-0.0,0.10,0e5]",
        ])
          expect(text).toContain(kept);
      }
      expect(text).toContain('"__proto__":');
      await opened.reopen();
      expect(await textOf(opened)).toBe(text);
      await restarts.kill(opened);
      expect(withoutRevision(await textOf(opened))).toBe(withoutRevision(text));
      const { backup } = await opened.store.backup(id);
      await opened.store.apply(id, { type: "edit", pinned: true });
      await opened.store.report(id, { results: { more: 1 } });
      await opened.store.restoreBackup(id, backup);
      const { revision } = await opened.store.summary(id);
      expect(await textOf(opened)).toBe(text.replace(/"revision":\d+/, `"revision":${revision}`));
      await opened.store.remove(id, { reason: "test" });
      await opened.store.restoreTrash(id);
      expect((await opened.store.read(id)).session.revision).toBe(revision);
      await opened.reopen();
      expect(await textOf(opened)).toBe(text.replace(/"revision":\d+/, `"revision":${revision}`));
    },
  );

  test("numbers come back as what they were", async () => {
    const { store } = await openFor(open);
    const numbers = {
      int: 85,
      float: 0.1,
      big: 2n ** 60n + 1n,
      text: new ExactNumber("0.10000000000000000000001"),
      spelled: [new ExactNumber("85.0"), new ExactNumber("-0"), -0, new ExactNumber("1e23"), 1e23],
    };
    await store.create({ session_id: "s", config });
    await store.report(id, { results: numbers });
    expect((await store.read(id)).session.partial_results).toEqual(numbers);
  });

  test("any session can be saved, reported on and read, in one run and in the next", async () => {
    await fc.assert(
      fc.asyncProperty(documents, async (all) => {
        const opened = await open();
        try {
          const saved = new Map<string, Session>();
          for (const one of all) saved.set(one.session_id, (await opened.store.save(one)).session);
          for (const one of all) {
            const name = parseSessionId(one.session_id);
            await opened.store.report(name, { results: one.partial_results });
            saved.set(name, (await opened.store.read(name)).session);
          }
          for (const start of [async () => {}, () => opened.reopen()]) {
            await start();
            for (const [name, session] of saved)
              expect((await opened.store.read(parseSessionId(name))).session).toEqual(session);
          }
          const last = all.at(-1) as Session;
          const { partial_results, config, labels } = saved.get(last.session_id) as Session;
          expect({ partial_results, config, labels }).toEqual({
            partial_results: last.partial_results,
            config: last.config,
            labels: last.labels,
          });
        } finally {
          await opened.close();
        }
      }),
      runs(6, 60),
    );
  });
}
