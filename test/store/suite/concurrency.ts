/** Many callers at once: each gets one answer, and what they were answered is true. */
import { expect, test } from "vitest";
import { isSessiondError } from "../../../src/error.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, config, document, type OpenStore, openFor } from "./opened-store.ts";

const id = parseSessionId("s");

export function concurrencyTests(open: OpenStore): void {
  test("of fifty creations of one id, one wins", async () => {
    const { store } = await openFor(open);
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        codeOf(store.create({ session_id: id, config: { target_path: `/${n}` } })),
      ),
    );
    expect(outcomes.sort()).toEqual(["ok", ...Array(49).fill("session_exists")]);
    expect(await store.summary(id)).toMatchObject({ revision: 1 });
    expect((await store.list()).total).toBe(1);
  });

  test("no change is lost, of whatever kind", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await Promise.all(
      Array.from({ length: 60 }, (_, n) => {
        const delta = { processed: [`f${n}`], results: { [`f${n}`]: n } };
        if (n % 3 === 0) return store.apply(id, { type: "progress", delta });
        if (n % 3 === 1) return store.report(id, delta);
        return store.apply(id, { type: "edit", labels: { [`f${n}`]: `${n}` } });
      }),
    );
    const { session, summary } = await store.read(id);
    expect(session.processed_files).toHaveLength(40);
    expect(Object.keys(session.partial_results)).toHaveLength(40);
    expect(Object.keys(session.labels ?? {})).toHaveLength(20);
    expect([session.revision, summary.revision]).toEqual([61, 61]);
  });

  test("a session is read whole, as it was at one moment", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    let running = true;
    const reporting = (async () => {
      for (let n = 0; running; n++)
        await store.report(id, { processed: [`f${n}`], results: { [`f${n}`]: n } });
    })();
    for (let n = 0; n < 50; n++) {
      const { session, summary } = await store.read(id);
      expect(session.revision).toBe(summary.revision);
      expect(summary.processed_count).toBe(session.processed_files.length);
      expect(Object.keys(session.partial_results)).toEqual(session.processed_files);
      // One revision is one report.
      expect(session.revision).toBe(session.processed_files.length + 1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    running = false;
    await reporting;
  });

  test("of a restore from the trash and a creation of one id, one succeeds", async () => {
    const { store } = await openFor(open);
    for (let round = 0; round < 20; round++) {
      await store.create({ session_id: id, config });
      await store.remove(id, { reason: "test" });
      const restore = () => codeOf(store.restoreTrash(id));
      const create = () => codeOf(store.create({ session_id: id, config }));
      const asked = round % 2 === 0 ? [restore, create] : [create, restore, create];
      const outcomes = await Promise.all(asked.map((ask) => ask()));
      expect(outcomes.filter((code) => code === "ok")).toHaveLength(1);
      expect(outcomes.filter((code) => code === "session_exists")).toHaveLength(asked.length - 1);
      await store.remove(id, { reason: "test", purge: true });
      await store.emptyTrash();
    }
  });

  test("a document that is saved while its session is deleted is saved", async () => {
    const { store } = await openFor(open);
    const session = document("s");
    for (let round = 0; round < 20; round++) {
      await store.save(session);
      const removal = () =>
        store.remove(id, { reason: "test" }).catch((error: unknown) => {
          if (!isSessiondError(error, "session_not_found", "session_deleted")) throw error;
        });
      const save = () => store.save(session);
      await Promise.all(
        round % 2 === 0 ? [removal(), save()] : [save(), removal(), save(), removal(), save()],
      );
    }
  });

  test("of many removals of one session, one succeeds", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const outcomes = await Promise.all(
      Array.from({ length: 10 }, () => codeOf(store.remove(id, { reason: "test" }))),
    );
    expect(outcomes.sort()).toEqual(["ok", ...Array(9).fill("session_deleted")]);
    expect((await store.listTrash()).total).toBe(1);
  });

  test("sessions do not wait for one another, and each has all that was reported on it", async () => {
    const { store } = await openFor(open);
    const names = Array.from({ length: 20 }, (_, n) => parseSessionId(`s${n}`));
    await Promise.all(names.map((session_id) => store.create({ session_id, config })));
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        store.report(names[n % 20] as (typeof names)[number], { processed: [`f${n}`] }),
      ),
    );
    for (const [n, name] of names.entries())
      expect((await store.read(name)).session.processed_files).toEqual(
        Array.from({ length: 10 }, (_, round) => `f${n + 20 * round}`),
      );
  });
}
