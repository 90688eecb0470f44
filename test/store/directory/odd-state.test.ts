/**
 * Each of the store's own files, in every odd shape: the store opens and works; or it refuses, and opens as
 * soon as somebody did what it says. test/long/odd-state.test.ts does the same to the daemon.
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { isLong } from "../../support/runs.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { follow, isPreciousThere, oddStates, putOdd } from "./odd-state.ts";
import { config, killed, openLagging } from "./outside.ts";

const [a, b, c] = ["a", "b", "c"].map(parseSessionId) as [
  ReturnType<typeof parseSessionId>,
  ReturnType<typeof parseSessionId>,
  ReturnType<typeof parseSessionId>,
];

/** With a report that no file holds, a lease, something in the trash, and a saved index. */
async function used(): Promise<string> {
  const directory = await tempDir();
  const first = await openLagging(directory);
  for (const id of [a, b]) await first.create({ session_id: id, config });
  await first.remove(b, { reason: "test" });
  await first.records.append("history", [{ time: "then" }]);
  await first.close();
  const store = await openLagging(directory);
  await store.leases.acquire(a, {});
  await store.apply(a, { type: "edit", pinned: true });
  await store.report(a, { processed: ["f"] }, { epoch: (await store.leases.of(a))[0]?.epoch });
  return killed(directory);
}

/** Opens the store, after following what refusals say. Returns how often it was refused. */
async function openAtLast(directory: string): Promise<{ store: DirectoryStore; refusals: string[] }> {
  const refusals: string[] = [];
  for (;;) {
    const store = await openLagging(directory).catch((error: Error & { code: string }) => {
      expect(error.code).toBe("storage_failed");
      refusals.push(error.message);
    });
    if (store !== undefined) return { store, refusals };
    expect(refusals.length).toBeLessThan(3);
    follow(refusals.at(-1) as string);
  }
}

/** `npm test` tries every seventh pair, and with that each shape; `npm run test:long` tries all. */
const tried = oddStates.filter((_, at) => isLong || at % 7 === 0);

test.each(tried)("%s as %s", async (file, shape) => {
  const directory = join(await tempDir(), "copy");
  cpSync(await used(), directory, { recursive: true });
  putOdd(directory, file, shape);
  const { store, refusals } = await openAtLast(directory);
  const health = await store.health();
  if (shape === "a directory" && file !== "staging/1") expect(isPreciousThere(directory)).toBe(true);

  // What was acknowledged is there, or it is said that it is not.
  const { session } = await store.read(a);
  if (!session.processed_files.includes("f"))
    expect(health.map(({ code }) => code)).toContain("journal_damaged");
  // And everything works.
  await store.create({ session_id: c, config });
  const { lease } = await store.leases.acquire(c, {});
  await store.report(c, { processed: ["x"] }, { epoch: lease.epoch });
  await store.remove(c, { reason: "test", force: true });
  await store.restoreTrash(c);
  for (const name of ["schedule", "approvals"]) await store.records.replace(name, { of: "now" });
  await store.records.append("history", [{ time: "now" }]);
  expect((await store.records.tail("history", 1)).entries).toEqual([{ time: "now" }]);
  expect((await store.listTrash()).entries.every(({ session_id }) => typeof session_id === "string")).toBe(
    true,
  );
  await store.close();
  // Nothing of it is met again.
  const next = await openAtLast(directory);
  expect(next.refusals).toEqual([]);
  expect((await next.store.read(c)).session.processed_files).toEqual(["x"]);
  if (refusals.length === 0 && isToldFor(file, shape)) expect(health).not.toEqual([]);
});

/** Whether what is there is more than nothing, and means something. */
function isToldFor(file: string, shape: string): boolean {
  if (/^(lock|staging|trash|quarantine)/.test(file)) return false;
  if (/^(schedule|approvals|history)/.test(file)) return /directory|link|pipe|huge/.test(shape);
  // A mark whose first write a crash interrupted is no surprise, but that one is missing is.
  return true;
}
