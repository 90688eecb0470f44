/** Reports of progress: what they do to a session, and what they cost. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, config, document, type OpenStore, openFor } from "./opened-store.ts";

const id = parseSessionId("s");

export function reportTests(open: OpenStore): void {
  test("move files, merge results and add files, and are answered with counts", async () => {
    const { store } = await openFor(open);
    const created = await store.create({ session_id: id, config, pending_files: ["a", "b", "c"] });
    const delta = { processed: ["b", "found"], results: { b: { ok: true } }, added: ["d", "a"] };
    const reply = await store.report(id, delta);
    expect(reply).toEqual({ status: "running", revision: 2, processed_count: 2, pending_count: 3 });
    const { session, summary } = await store.read(id);
    expect(session).toEqual({
      ...created.session,
      processed_files: ["b", "found"],
      pending_files: ["a", "c", "d"],
      partial_results: { b: { ok: true } },
      checkpoint_time: session.checkpoint_time,
      revision: 2,
    });
    expect(session.checkpoint_time > created.session.checkpoint_time).toBe(true);
    expect(summary).toMatchObject({ ...reply, checkpoint_time: session.checkpoint_time });
    expect(await store.summary(id)).toEqual(summary);
    expect((await store.list()).sessions).toEqual([summary]);
  });

  test("may come twice: the second changes the revision and nothing else", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    const delta = { processed: ["a"], results: { a: 1 }, added: ["c"] };
    const first = await store.report(id, delta);
    const { session } = await store.read(id);
    expect(await store.report(id, delta)).toEqual({ ...first, revision: first.revision + 1 });
    const { checkpoint_time, revision } = (await store.read(id)).session;
    expect((await store.read(id)).session).toEqual({ ...session, checkpoint_time, revision });
  });

  test("of one session are applied in the order of the calls, also between other changes", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const revisions = await Promise.all([
      ...Array.from({ length: 20 }, (_, n) =>
        store.report(id, { processed: [`a${n}`], results: { last: n } }),
      ),
      store.apply(id, { type: "transition", verb: "pause" }).then(({ summary }) => summary),
      ...Array.from({ length: 20 }, (_, n) => store.report(id, { processed: [`b${n}`] })),
      store.apply(id, { type: "edit", pinned: true }).then(({ summary }) => summary),
      store.report(id, { processed: ["c"] }),
    ]);
    expect(revisions.map(({ revision }) => revision)).toEqual(Array.from({ length: 43 }, (_, n) => n + 2));
    expect(revisions.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 20 }, () => "running"),
      ...Array.from({ length: 23 }, () => "paused"),
    ]);
    const { session } = await store.read(id);
    const named = (name: string) => Array.from({ length: 20 }, (_, n) => `${name}${n}`);
    expect(session.processed_files).toEqual([...named("a"), ...named("b"), "c"]);
    expect(session).toMatchObject({ status: "paused", pinned: true, partial_results: { last: 19 } });
  });

  test("of one session are applied in the order of the calls, however long each is", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await store.report(id, { processed: ["first"] });
    // Of more items, and of more bytes, than are handled in one go.
    const many = Array.from({ length: 60_000 }, (_, n) => `${"long".repeat(5)}${n}`);
    const replies = await Promise.all([
      store.report(id, { processed: ["before"], results: { same: 1 } }),
      store.report(id, { processed: many, results: { same: 2 } }),
      store.report(id, { processed: ["after"], results: { same: 3 } }),
      store.apply(id, { type: "edit", labels: { last: "yes" } }),
    ]);
    const { session, summary } = await store.read(id);
    expect(session.processed_files).toEqual(["first", "before", ...many, "after"]);
    expect(session.partial_results).toEqual({ same: 3 });
    expect(replies.slice(0, 3)).toMatchObject(
      [2, 60_002, 60_003].map((processed_count) => ({ processed_count })),
    );
    expect(replies[3]).toMatchObject({ session, summary });
  });

  test("are taken in whatever status the session has", async () => {
    const { store } = await openFor(open);
    for (const status of ["paused", "completed", "failed"] as const) {
      await store.save(document(id, { status }));
      expect((await store.report(id, { processed: ["a"] })).status).toBe(status);
    }
  });

  test("may come with the JSON that they were parsed from, which may say more", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const delta = { processed: ["ä"], results: { ä: 1 } };
    const json = Buffer.from(`{ "type": "progress", "processed":["ä"],\n "results": {"ä": 1}, "seq": 3 }`);
    await store.report(id, delta, { json });
    const { session } = await store.read(id);
    expect(session).toMatchObject({ processed_files: ["ä"], partial_results: { ä: 1 } });
    expect(Object.keys(session)).not.toContain("seq");
  });

  test("with what JSON cannot hold are refused, and change nothing", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const before = await store.read(id);
    for (const value of [Number.NaN, new Date(0), new Map(), () => 1]) {
      const task = store.report(id, { results: { bad: value as never } });
      await expect(task).rejects.toMatchObject({ code: "invalid_request", outcome: "not_applied" });
    }
    expect(await store.read(id)).toEqual(before);
  });

  test("made while their session is purged do not come to the next one of its id", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const reports = ["a", "b"].map((file) => codeOf(store.report(id, { processed: [file] })));
    const removal = store.remove(id, { reason: "test", purge: true });
    reports.push(codeOf(store.report(id, { processed: ["c"] })));
    await removal;
    for (const code of await Promise.all(reports))
      expect(code).toMatch(/^(ok|session_not_found|session_deleted)$/);
    expect(await codeOf(store.report(id, { processed: ["d"] }))).toBe("session_not_found");
    await store.create({ session_id: id, config });
    expect((await store.read(id)).session.processed_files).toEqual([]);
  });
}
