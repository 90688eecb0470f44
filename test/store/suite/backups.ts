/** Backups, putting them back, and putting a session right. */
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import { codeOf, config, document, type OpenStore, openFor, restarts } from "./opened-store.ts";

const id = parseSessionId("s");

export function backupTests(open: OpenStore): void {
  test("a backup holds the session as it is, with every report", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config, pending_files: ["a", "b"] });
    await store.report(id, { processed: ["a"], results: { a: 1 } });
    const before = await store.read(id);
    const backup = await store.backup(id);
    expect(backup).toEqual({
      ...{ session_id: "s", backup: backup.backup, location: backup.location },
      ...{ bytes: backup.bytes, created_time: expect.stringMatching(/^\d{4}-.*Z$/) },
    });
    expect(backup.bytes).toBeGreaterThan(200);
    expect(await store.read(id)).toMatchObject({ session: before.session });

    await store.report(id, { processed: ["b"] });
    const later = await store.read(id);
    const { session, previous } = await store.restoreBackup(id, backup.backup);
    expect(session).toMatchObject({
      processed_count: 1,
      pending_count: 1,
      revision: later.summary.revision + 1,
    });
    expect((await store.read(id)).session).toEqual({ ...before.session, revision: session.revision });

    await store.restoreBackup(id, previous as string);
    const { revision } = await store.summary(id);
    expect((await store.read(id)).session).toEqual({ ...later.session, revision });
  });

  test("are listed newest first, never the same twice, and each under its own session", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await store.create({ session_id: "other", config });
    expect(await store.listBackups(id)).toEqual([]);
    const made = [];
    for (let n = 0; n < 3; n++) made.push(await store.backup(id));
    await store.backup(parseSessionId("other"));
    const listed = await store.listBackups(id);
    expect(listed.map(({ backup }) => backup).sort()).toEqual(made.map(({ backup }) => backup).sort());
    const times = listed.map(({ created_time }) => created_time);
    expect(times).toEqual([...times].sort().reverse());
    expect(new Set(made.map(({ location }) => location)).size).toBe(3);
  });

  test("that are missing, or of another session, are refused", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await store.create({ session_id: "other", config });
    const { backup } = await store.backup(parseSessionId("other"));
    const before = await store.read(id);
    for (const name of ["missing", backup]) {
      await expect(store.restoreBackup(id, name)).rejects.toMatchObject({
        code: "invalid_request",
        issues: [{ path: "backup" }],
        outcome: "not_applied",
      });
    }
    expect(await store.read(id)).toEqual(before);
    expect(await store.listBackups(id)).toEqual([]);
  });

  test.each([true, false])("outlive their session, and bring it back (purged: %s)", async (purge) => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config, pending_files: ["a"] });
    const { session: before } = await store.read(id);
    const { backup } = await store.backup(id);
    await store.report(id, { processed: ["a"] });
    await store.remove(id, { reason: "test", purge });
    expect(await store.listBackups(id)).toHaveLength(1);
    const { session: summary, previous } = await store.restoreBackup(id, backup);
    expect(previous).toBeNull();
    const { session } = await store.read(id);
    const { revision, generation } = session;
    expect(session).toEqual({ ...before, revision, generation });
    // What was reported and saved to the one that is gone is not meant for this one.
    expect(generation).not.toBe(before.generation);
    expect(revision).toBeGreaterThan(2);
    expect(summary).toMatchObject({ revision, generation, pending_count: 1 });
  });

  test.each(Object.entries(restarts))("are there after a %s", async (_, start) => {
    const opened = await openFor(open);
    await opened.store.create({ session_id: id, config, pending_files: ["a"] });
    const { backup } = await opened.store.backup(id);
    await opened.store.apply(id, { type: "transition", verb: "fail" });
    await start(opened);
    expect((await opened.store.listBackups(id)).map((one) => one.backup)).toEqual([backup]);
    expect((await opened.store.restoreBackup(id, backup)).session.status).toBe("running");
  });

  test("restored under load: what was acknowledged is in the session or in a backup", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const { backup } = await store.backup(id);
    const files = Array.from({ length: 60 }, (_, n) => `f${n}`);
    const previous: string[] = [];
    await Promise.all(
      files.map(async (file, n) => {
        await store.report(id, { processed: [file] });
        if (n % 20 === 0) previous.push((await store.restoreBackup(id, backup)).previous as string);
      }),
    );
    const kept = new Set((await store.read(id)).session.processed_files);
    expect(previous).toHaveLength(3);
    for (const name of previous) {
      await store.restoreBackup(id, name);
      for (const file of (await store.read(id)).session.processed_files) kept.add(file);
    }
    expect(files.filter((file) => !kept.has(file))).toEqual([]);
  });

  test("a session with nothing wrong is valid, and recovering it changes nothing", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    const before = await store.read(id);
    expect(await store.validate(id)).toEqual({ session_id: "s", valid: true, findings: [] });
    const recovery = await store.recover(id);
    expect(recovery).toEqual({
      ...{ session_id: "s", recovered: true, actions: [], backup: null, quarantined: null },
    });
    expect(await store.read(id)).toEqual(before);
    expect(await store.listBackups(id)).toEqual([]);
  });

  test("a session with files in it twice is put right after a backup", async () => {
    const { store } = await openFor(open);
    const wrong = {
      processed_files: ["a", "a"],
      pending_files: ["a", "b", "b"],
      status: "completed",
    } as const;
    await store.save(document("s", wrong));
    const { findings } = await store.validate(id);
    expect(findings.map(({ code, repairable }) => [code, repairable])).toEqual([
      ["duplicate_file", true],
      ["duplicate_file", true],
      ["processed_and_pending", true],
      ["unfinished", false],
    ]);
    const { backup, actions, recovered } = await store.recover(id);
    expect([recovered, actions.length]).toEqual([true, 4]);
    const { session } = await store.read(id);
    expect(session).toMatchObject({ processed_files: ["a"], pending_files: ["b"], revision: 2 });
    expect((await store.validate(id)).findings.map(({ code }) => code)).toEqual(["unfinished"]);
    await store.restoreBackup(id, backup as string);
    expect((await store.read(id)).session).toMatchObject(wrong);
  });

  test("a worker's lease keeps a backup from being put back, not from being made", async () => {
    const { store } = await openFor(open);
    await store.create({ session_id: id, config });
    await store.leases.acquire(id, { worker: "w" });
    const { backup } = await store.backup(id);
    expect(await codeOf(store.restoreBackup(id, backup))).toBe("lease_held");
    expect(await store.listBackups(id)).toHaveLength(1);
  });
}
