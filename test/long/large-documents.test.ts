/**
 * Sessions that are larger than what a file may hold: refused, and nothing of what was acknowledged is lost.
 */
import { expect, test } from "vitest";
import { parseSessionId } from "../../src/session/session-id.ts";
import { maxStoredBytes } from "../../src/store/document/decode-session.ts";
import { encodeSession, partsOf } from "../../src/store/document/encode-session.ts";
import type { SessionStore } from "../../src/store/session-store.ts";
import { config, foreignSession, openLagging, putOutside } from "../store/directory/outside.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const id = parseSessionId("s");

const undoing: Readonly<Record<string, (store: SessionStore, backup: string) => Promise<unknown>>> = {
  checkpoint: (store) =>
    store.apply(id, { type: "checkpoint", checkpoint: { processed_files: ["b"], pending_files: ["a"] } }),
  "saved document": (store) => store.save(foreignSession("s")),
  "restored backup": (store, backup) => store.restoreBackup(id, backup),
};

test("a change that undoes reports is refused where these fit into no file any more; a purge is not", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await store.create({ session_id: id, config, pending_files: ["a", "b"] });
  const { backup } = await store.backup(id);
  await store.report(id, { processed: ["a"], results: { a: "x".repeat(1_000_000) } });
  const { session } = await store.read(id);
  // Another program writes so much that there is no room for what was reported.
  const text = JSON.stringify({ ...session, processed_files: [], partial_results: {}, note: "?" });
  putOutside(directory, "s.json", text.replace("?", "x".repeat(maxStoredBytes - text.length + 1)));
  await eventually(async () => expect((await store.summary(id)).bytes).toBe(maxStoredBytes));
  const reported = { processed_files: ["a"], partial_results: { a: expect.any(String) } };
  for (const undo of Object.values(undoing))
    await expect(undo(store, backup)).rejects.toMatchObject({ code: "payload_too_large" });
  expect((await store.read(id)).session).toMatchObject(reported);
  await expect(store.remove(id, { reason: "test" })).rejects.toMatchObject({
    code: "payload_too_large",
    message: expect.stringMatching(/purged/),
  });
  expect(await store.remove(id, { reason: "test", purge: true })).toMatchObject({ purged: true });
}, 120_000);

test("a document that is small as it was sent and longer than any string when it is laid out is refused", async () => {
  let nested: unknown = Array.from({ length: 600_000 }, () => 1);
  for (let depth = 0; depth < 480; depth++) nested = [nested];
  const encoding = encodeSession(partsOf({ ...foreignSession("s"), nested }));
  await expect(encoding).rejects.toMatchObject({ code: "payload_too_large" });
}, 120_000);
