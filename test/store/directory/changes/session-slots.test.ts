/** A slot is there only while it holds something: memory is for sessions that somebody works on. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../../../src/log.ts";
import { newSession } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { assembleStore } from "../../../../src/store/directory/assemble.ts";
import { TargetChanged } from "../../../../src/store/directory/disk/durable-files.ts";
import { nodeFileSystem as fs } from "../../../../src/store/directory/disk/node-file-system.ts";
import { prepareDirectory } from "../../../../src/store/directory/disk/prepare-directory.ts";
import { readJournal } from "../../../../src/store/directory/journal/read-journal.ts";
import { systemClock } from "../../../../src/time/clock.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { config, foreignSession, putOutside } from "../outside.ts";

const id = parseSessionId("s");

/** The parts of a store with one session, opened as a store opens them. */
async function parts() {
  const { directory, own, lock } = prepareDirectory(fs, await tempDir());
  const logger = silentLogger;
  const assembled = assembleStore(
    { fs, directory, clock: systemClock(), logger, rescanIntervalMs: 60_000, maxLagMs: 3_600_000 },
    own,
  );
  const { follower, saver, journal, slots, files, sessions } = assembled;
  await follower.open(saver.load());
  await readJournal(journal);
  onTestFinished(async () => {
    await follower.close();
    slots.close();
    await journal.close();
    await files.close();
    lock.release();
  });
  await sessions.create(newSession({ session_id: id, config }, "first", "2026-01-02T03:04:05Z"));
  return { ...assembled, directory };
}

test("a change leaves none behind, whether it succeeds or not", async () => {
  const { sessions, slots } = await parts();
  expect(slots.find(id)).toBeUndefined();
  const change = sessions.change(id, {}, (session) => {
    expect(slots.find(id)?.changes).toBe(1);
    return { ...session, pinned: true };
  });
  await change;
  expect(slots.find(id)).toBeUndefined();
  const failing = sessions.change(id, {}, () => {
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(slots.find(id)).toBeUndefined();
});

test("a report of a session that is not there leaves none behind", async () => {
  const { reports, slots } = await parts();
  const missing = parseSessionId("missing");
  const report = reports.report(missing, { processed: ["a"] }, {});
  expect(slots.find(missing)?.gathered?.waiting).toHaveLength(1);
  await expect(report).rejects.toMatchObject({ code: "session_not_found" });
  expect(slots.find(missing)).toBeUndefined();
});

test("reports that wait keep their order, and the slot stays while the file lags behind", async () => {
  const { reports, sessions, writer, slots } = await parts();
  const first = reports.report(id, { processed: ["a"] }, {});
  const change = sessions.change(id, {}, (session) => ({ ...session, pinned: true }));
  const second = reports.report(id, { processed: ["b"] }, {});
  expect(slots.find(id)?.isOpenToReports).toBe(false);
  const revisions = await Promise.all([
    first.then(({ revision }) => revision),
    change.then(({ summary }) => summary.revision),
    second.then(({ revision }) => revision),
  ]);
  expect(revisions).toEqual([2, 3, 4]);
  expect(slots.find(id)?.isOpenToReports).toBe(true);
  expect(slots.lagging()).toEqual([id]);
  await writer.writeLagging();
  expect(slots.lagging()).toEqual([]);
});

test("a session that is removed leaves none behind", async () => {
  const { directory, reports, sessions, slots, files } = await parts();
  const report = reports.report(id, { processed: ["a"] }, {});
  await sessions.remove(id, {
    conditions: {},
    isKept: false,
    take: (file, _, inspect) => files.remove(directory, file, inspect),
  });
  // It was asked for before.
  expect((await report).processed_count).toBe(1);
  expect(slots.find(id)).toBeUndefined();
});

test("reports are not written to a file that loses its session while the writer yields", async () => {
  const { directory, known, reports, view, writer } = await parts();
  await reports.report(id, { processed: ["a"] }, {});
  const before = readFileSync(join(directory, "s.json"), "utf8");
  putOutside(directory, "other.json", foreignSession("s", { checkpoint_time: "2100-01-01T00:00:00Z" }));
  // Longer than a slice, so that the writer yields first.
  const end = performance.now() + 20;
  while (performance.now() < end);
  const writing = writer.writeReports(id, "s.json");
  view.glance("other.json");
  await expect(writing).rejects.toThrow(TargetChanged);
  expect(readFileSync(join(directory, "s.json"), "utf8")).toBe(before);
  expect(known.summary(id).target_path).toBe("/elsewhere");
});
