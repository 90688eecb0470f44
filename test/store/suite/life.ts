/** A session from its creation on: what each command makes of it, and which are refused. */
import { expect, test } from "vitest";
import type { Command } from "../../../src/session/command.ts";
import { configDefaults, statuses } from "../../../src/session/session.ts";
import { parseSessionId as id } from "../../../src/session/session-id.ts";
import { transitions, verbs } from "../../../src/session/transition.ts";
import { parseTimestamp } from "../../../src/time/clock.ts";
import { codeOf, codesOf, config, document, type OpenStore, openFor } from "./opened-store.ts";

export function lifeTests(open: OpenStore): void {
  test("is created running, with the defaults of its configuration written out", async () => {
    const { store } = await openFor(open);
    const created = await store.create({
      session_id: "s",
      config: { ...config, depth: "mine" },
      pending_files: ["b", "a"],
      labels: { team: "x" },
      pinned: true,
    });
    const { created_time, checkpoint_time, generation } = created.session;
    expect(created.session).toEqual({
      session_id: "s",
      status: "running",
      config: { ...configDefaults, ...config, depth: "mine" },
      processed_files: [],
      pending_files: ["b", "a"],
      partial_results: {},
      labels: { team: "x" },
      pinned: true,
      revision: 1,
      created_time,
      checkpoint_time,
      generation,
    });
    expect(generation).toMatch(/./);
    expect(parseTimestamp(created_time as string)).toBeDefined();
    expect(checkpoint_time).toBe(created_time);
    expect(created.summary).toEqual({
      ...{ session_id: "s", status: "running", status_reason: null, target_path: "/src" },
      ...{ labels: { team: "x" }, pinned: true, revision: 1, processed_count: 0, pending_count: 2 },
      ...{ created_time, checkpoint_time, generation, bytes: created.summary.bytes },
    });
    expect(created.summary.bytes).toBeGreaterThan(200);
    expect(await store.read(id("s"))).toEqual(created);
    expect(await store.summary(id("s"))).toEqual(created.summary);
    expect(await store.has(id("s"))).toBe(true);
  });

  test("is created once, and is left alone by who tries again", async () => {
    const { store } = await openFor(open);
    const created = await store.create({ session_id: "s", config });
    expect(await codeOf(store.create({ session_id: "s", config: { target_path: "/other" } }))).toBe(
      "session_exists",
    );
    expect(await store.read(id("s"))).toEqual(created);
  });

  test.each(["../../etc/passwd", "..", "a.json.123", "__proto__", "сессия 1", "x".repeat(128), "A", "🙂"])(
    "may have the id %s",
    async (name) => {
      const { store } = await openFor(open);
      await store.create({ session_id: name, config });
      await store.create({ session_id: `${name.slice(1)}2`, config });
      await store.report(id(name), { processed: ["a"] });
      expect((await store.read(id(name))).session).toMatchObject({
        session_id: name,
        processed_files: ["a"],
      });
      expect((await store.list({ sort: "session_id" })).total).toBe(2);
    },
  );

  test("that is not there is not found, whatever is asked of it", async () => {
    const { store } = await openFor(open);
    const s = id("s");
    const seen = { generation: null, revision: 1, checkpoint_time: "2026-01-02T03:04:05Z" };
    const asked = {
      read: store.read(s),
      summary: store.summary(s),
      apply: store.apply(s, { type: "transition", verb: "pause" }),
      report: store.report(s, { processed: ["a"] }),
      remove: store.remove(s, { reason: "test" }),
      backup: store.backup(s),
      listBackups: store.listBackups(s),
      validate: store.validate(s),
      recover: store.recover(s),
      restoreTrash: store.restoreTrash(s),
      acquire: store.leases.acquire(s, {}),
      "save over what was seen": store.save(document("s"), { ifSeen: seen }),
      "save only over": store.save(document("s"), { ifPresent: true }),
    };
    for (const [what, code] of Object.entries(await codesOf(asked)))
      expect(code, what).toBe("session_not_found");
    expect(await store.has(s)).toBe(false);
    expect(await store.leases.of(s)).toEqual([]);
  });

  test("goes from status to status by the table of transitions, and by nothing else", async () => {
    const { store } = await openFor(open);
    for (const status of statuses) {
      for (const verb of verbs) {
        await store.save(document("s", { status }));
        const before = await store.read(id("s"));
        const to = (transitions[status] as Partial<Record<typeof verb, string>>)[verb];
        const changing = store.apply(id("s"), { type: "transition", verb, reason: "because" });
        if (to === undefined) {
          await expect(changing).rejects.toMatchObject({
            code: "invalid_transition",
            message: expect.stringContaining(status),
            outcome: "not_applied",
          });
          expect(await store.read(id("s"))).toEqual(before);
        } else {
          expect((await changing).summary).toMatchObject({
            status: to,
            status_reason: "because",
            revision: before.summary.revision + 1,
          });
        }
      }
    }
  });

  test("that has the status that is asked for stays as it is", async () => {
    const { store } = await openFor(open);
    const created = await store.create({ session_id: "s", config });
    expect(await store.apply(id("s"), { type: "set_status", status: "running" })).toEqual(created);
    const failed = await store.apply(id("s"), { type: "set_status", status: "failed", reason: "why" });
    expect(failed.summary).toMatchObject({ status: "failed", status_reason: "why", revision: 2 });
    const again = await store.apply(id("s"), { type: "set_status", status: "running" });
    expect(again.summary).toMatchObject({ status: "running", status_reason: null, revision: 3 });
  });

  const commands: [Command, object][] = [
    [
      { type: "progress", delta: { processed: ["b", "new"], results: { b: 2 }, added: ["c", "a"] } },
      {
        processed_files: ["old", "b", "new"],
        pending_files: ["a", "c"],
        partial_results: { old: 1, b: 2 },
      },
    ],
    [
      {
        type: "checkpoint",
        checkpoint: { processed_files: ["b"], pending_files: ["z"], partial_results: { old: 0, b: 2 } },
      },
      { processed_files: ["b"], pending_files: ["z"], partial_results: { old: 0, b: 2 } },
    ],
    [
      { type: "edit", pinned: true, labels: { team: null, new: "y" } },
      { pinned: true, labels: { kept: "1", new: "y" }, pending_files: ["a", "b"] },
    ],
  ];

  test.each(commands)("is changed by %j, which grows its revision by one", async (command, expected) => {
    const { store } = await openFor(open);
    const labels = { team: "x", kept: "1" };
    await store.save(
      document("s", {
        ...{ labels, processed_files: ["old"], pending_files: ["a", "b"], partial_results: { old: 1 } },
        extra: { of: "another program" },
      }),
    );
    const before = await store.read(id("s"));
    const { session, summary } = await store.apply(id("s"), command);
    expect(session).toMatchObject({ ...expected, extra: { of: "another program" } });
    expect([session.revision, summary.revision]).toEqual([2, 2]);
    expect(session.generation).toBe(before.session.generation);
    const isActivity = command.type !== "edit";
    expect(session.checkpoint_time !== before.session.checkpoint_time).toBe(isActivity);
    expect(await store.read(id("s"))).toEqual({ session, summary });
    expect(summary).toMatchObject({
      processed_count: session.processed_files.length,
      pending_count: session.pending_files.length,
    });
  });

  test.each(commands.map(([command]) => command))(
    "is changed by %j for who needs no document",
    async (command) => {
      const { store } = await openFor(open);
      const before = await store.save(document("s", { pending_files: ["a", "b"] }));
      const summary = await store.change(id("s"), command);
      expect(summary.revision).toBe(before.summary.revision + 1);
      expect(await store.summary(id("s"))).toEqual(summary);
      const changing = store.change(id("s"), command, { ifSeen: before.summary });
      await expect(changing).rejects.toMatchObject({ code: "revision_mismatch", outcome: "not_applied" });
    },
  );

  test("is replaced by a document that is saved, and keeps who it is", async () => {
    const { store } = await openFor(open);
    const created = await store.create({ session_id: "s", config, pending_files: ["a"] });
    const saved = document("s", { status: "paused", note: [1], revision: 77, generation: "mine" });
    const { session, summary, created: isNew } = await store.save(saved);
    expect(isNew).toBe(false);
    const { generation, created_time } = created.session;
    expect(session).toEqual({ ...saved, revision: 2, generation, created_time });
    expect(summary).toMatchObject({ revision: 2, generation, checkpoint_time: saved.checkpoint_time });
    expect(await store.read(id("s"))).toEqual({ session, summary });
  });

  test("is created by a document that is saved, in a generation of its own", async () => {
    const { store } = await openFor(open);
    const saved = document("s", { revision: 7, generation: "of another" });
    const { session, created } = await store.save(saved);
    expect(created).toBe(true);
    expect(session).toEqual({ ...saved, generation: session.generation });
    expect(session.generation).not.toBe("of another");
    expect((await store.save(document("t", { revision: Number.MAX_SAFE_INTEGER }))).summary.revision).toBe(1);
  });

  test("does not take the document of another", async () => {
    const { store } = await openFor(open);
    const created = await store.create({ session_id: "s", config });
    const task = store.apply(id("s"), { type: "save", session: document("t") });
    await expect(task).rejects.toMatchObject({
      code: "invalid_request",
      issues: [{ path: "session_id" }],
      outcome: "not_applied",
    });
    expect(await store.read(id("s"))).toEqual(created);
  });

  test("facts and health are plain data, and of a store that is well there is nothing to say", async () => {
    const { store } = await openFor(open);
    expect(await store.facts()).toMatchObject({ kind: expect.any(String), location: expect.any(String) });
    expect(await store.health()).toEqual([]);
  });
}
