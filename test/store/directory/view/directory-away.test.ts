/** While the sessions directory is away or was replaced, nothing is lost and nothing is written elsewhere. */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringifyJson } from "../../../../src/json/exact-json.ts";
import type { Session } from "../../../../src/session/session.ts";
import { parseSessionId } from "../../../../src/session/session-id.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { foreignSession, openStore } from "../outside.ts";

const id = parseSessionId("s");
const config = { target_path: "/src" };

test("while its directory is away, nothing is taken for deleted and nothing hangs", async () => {
  const directory = join(await tempDir(), "sessions");
  const store = await openStore(directory);
  const { session } = await store.create({ session_id: id, config });
  await rename(directory, `${directory}-away`);
  for (const attempt of [
    () => store.read(id),
    () => store.save(session),
    () => store.apply(id, { type: "edit", pinned: true }),
    () => store.remove(id, { reason: "test" }),
    () => store.create({ session_id: "other", config }),
  ]) {
    await expect(attempt()).rejects.toMatchObject({ code: "storage_failed" });
  }
  await rename(`${directory}-away`, directory);
  expect((await store.read(id)).session).toEqual(session);
  await store.apply(id, { type: "edit", pinned: true });
});

test("a directory that was put in its place is never written to", async () => {
  const directory = join(await tempDir(), "sessions");
  const store = await openStore(directory);
  await rename(directory, `${directory}-away`);
  await mkdir(join(directory, ".sessiond", "staging"), { recursive: true });
  await expect(store.create({ session_id: id, config })).rejects.toMatchObject({ code: "storage_failed" });
  await store.failed;
});

test("a trash entry whose document somebody took away is told, once", async () => {
  const directory = await tempDir();
  const store = await openStore(directory);
  await store.create({ session_id: id, config });
  const { trash_id } = await store.remove(id, { reason: "test" });
  await rm(join(directory, ".sessiond", "trash", `${trash_id}.json`));
  await expect(store.restoreTrash(id)).rejects.toMatchObject({ code: "storage_failed" });
  await expect(store.restoreTrash(id)).rejects.toMatchObject({ code: "session_not_found" });
});

test("a change that is refused moves no duplicate away", async () => {
  const directory = await tempDir();
  const store = await openStore(directory);
  const { session, summary } = await store.create({ session_id: id, config });
  const seen = { ...summary, revision: 99 };
  const older = foreignSession("s", { checkpoint_time: "2020-01-01T00:00:00Z" } as Partial<Session>);
  await writeFile(join(directory, "other.json"), stringifyJson(older));
  await store.reconcile();
  await expect(store.save(session, { ifSeen: seen })).rejects.toMatchObject({ code: "revision_mismatch" });
  await expect(store.remove(id, { ifSeen: seen, reason: "test" })).rejects.toMatchObject({
    code: "revision_mismatch",
  });
  expect(await store.health()).toMatchObject([{ code: "duplicate_session" }]);
});
