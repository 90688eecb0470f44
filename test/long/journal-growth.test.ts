/** A journal of several full segments. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseSessionId } from "../../src/session/session-id.ts";
import { config, killed, openLagging } from "../store/directory/outside.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const id = parseSessionId("s");

test("a session whose file cannot be written does not make the journal grow without end", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory, 50);
  await store.create({ session_id: id, config, pending_files: ["a"] });
  await store.create({ session_id: "other", config });
  await store.report(id, { processed: ["a"], results: { a: "kept" } });
  const text = readFileSync(join(directory, "s.json"), "utf8");
  writeFileSync(join(directory, "s.json"), "broken");
  await eventually(async () => expect(await store.has(id)).toBe(false));
  const filler = "x".repeat(8 * 1024 * 1024);
  for (let n = 0; n < 40; n++)
    await store.report(parseSessionId("other"), { results: { filler: filler + n } });
  await eventually(() => expect(segmentsIn(directory)).toBeLessThan(4));
  const copy = await killed(directory);
  renameSync(join(copy, "s.json"), join(copy, "s.broken"));
  writeFileSync(join(copy, "s.json"), text);
  const next = await openLagging(copy);
  expect((await next.read(id)).session.partial_results).toEqual({ a: "kept" });
});

test("a worker that holds a file for long does not make the journal grow without end", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory, 50);
  const other = parseSessionId("other");
  await store.create({ session_id: id, config, pending_files: ["a", "b", "c"] });
  await store.create({ session_id: other, config });
  const { lease, token } = await store.leases.acquire(id, { shared: true });
  expect((await store.claims.take(id, lease.epoch, 2)).files).toEqual(["a", "b"]);
  const filler = "x".repeat(8 * 1024 * 1024);
  for (let n = 0; n < 40; n++) await store.report(other, { results: { filler: filler + n } });
  await eventually(() => expect(segmentsIn(directory)).toBeLessThan(4));
  const next = await openLagging(await killed(directory));
  const { epoch } = (await next.leases.acquire(id, { shared: true, token })).lease;
  expect(await next.claims.held(id, epoch)).toEqual(["a", "b"]);
  expect((await next.claims.take(id, epoch, 9)).files).toEqual(["c"]);
});

function segmentsIn(directory: string): number {
  const names = readdirSync(join(directory, ".sessiond", "journal"));
  return names.filter((name) => name.endsWith(".log")).length;
}
