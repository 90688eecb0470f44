/** A daemon whose directory is filled, rewritten and emptied faster than it can look. */
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { documentOf } from "../e2e/directory.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

test("a burst of a thousand renames is seen whole, and so is its end", async () => {
  const { client, sessionsDir } = await startDaemon();
  const staging = join(sessionsDir, "..", "new.tmp");
  const ids = Array.from({ length: 1000 }, (_, number) => `burst-${number}`);
  for (const id of ids) {
    writeFileSync(staging, JSON.stringify(documentOf(id)));
    renameSync(staging, join(sessionsDir, `${id}.json`));
  }
  await eventually(async () => expect((await client.getStats()).total).toBe(1000));
  for (const id of ids) {
    writeFileSync(staging, JSON.stringify(documentOf(id, { status: "completed" })));
    renameSync(staging, join(sessionsDir, `${id}.json`));
  }
  await eventually(async () => expect((await client.getStats()).completed).toBe(1000));
  for (const id of ids) rmSync(join(sessionsDir, `${id}.json`));
  await eventually(async () => expect((await client.getStats()).total).toBe(0));
});
