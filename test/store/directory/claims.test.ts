/** Claims and what only a directory has: other programs, segments of the journal, disks that are full. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Session } from "../../../src/session/session.ts";
import { parseSessionId } from "../../../src/session/session-id.ts";
import type { DirectoryStore } from "../../../src/store/directory/directory-store.ts";
import { eventually } from "../../support/eventually.ts";
import { FaultyFileSystem, isJournalWrite } from "../../support/faulty-file-system.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { codeOf } from "../suite/opened-store.ts";
import { config, foreignSession, killed, openLagging, putOutside } from "./outside.ts";

const id = parseSessionId("s");
const other = parseSessionId("other");

async function withClaims(store: DirectoryStore, pending: string[], ...counts: number[]) {
  await store.create({ session_id: id, config, pending_files: pending });
  const acquired = await Promise.all(counts.map(() => store.leases.acquire(id, { shared: true })));
  const workers = acquired.map(({ lease, token }) => ({ epoch: lease.epoch, token }));
  for (const [index, { epoch }] of workers.entries())
    for (let count = 0; count < (counts[index] ?? 0); count++) await store.claims.take(id, epoch, 1);
  return workers;
}

function segmentsIn(directory: string): string[] {
  return readdirSync(join(directory, ".sessiond", "journal")).filter((name) => name.endsWith(".log"));
}

function documentIn(directory: string): Session {
  return JSON.parse(readFileSync(join(directory, "s.json"), "utf8"));
}

test("a file that another program takes out of the list is claimed no more, and one that it adds is free", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  const [one] = await withClaims(store, ["a", "b", "c"], 2);
  const { epoch } = one as { epoch: number };
  const freed: string[] = [];
  store.claims.onFree((of) => freed.push(of));
  putOutside(directory, "s.json", { ...documentIn(directory), pending_files: ["b", "new", "c"] });
  await eventually(() => expect(freed).toEqual(["s"]));
  expect(await store.claims.counts(id)).toEqual(new Map([[epoch, 1]]));
  expect(await store.claims.held(id, epoch)).toEqual(["b"]);
  expect(await store.claims.take(id, epoch, 9)).toEqual({ files: ["new", "c"], left: 3, free: 0 });
});

test("a session that another program puts in the place of another one has no claims", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  const [one] = await withClaims(store, ["a", "b"], 2);
  const copy = await killed(directory);
  const later = foreignSession("s", { pending_files: ["a", "b"], generation: "another" });
  putOutside(directory, "s.json", later);
  await eventually(async () => expect((await store.summary(id)).generation).toBe("another"));
  expect(await store.claims.counts(id)).toEqual(new Map([[one?.epoch, 0]]));
  // The same while no store is open.
  putOutside(copy, "s.json", later);
  const next = await openLagging(copy);
  expect(await next.claims.counts(id)).toEqual(new Map([[one?.epoch, 0]]));
});

test("a document that cannot be read keeps its claims until it can be read again", async () => {
  const directory = await tempDir();
  const first = await openLagging(directory);
  const [one] = await withClaims(first, ["a", "b", "c"], 2);
  await first.close();
  const text = readFileSync(join(directory, "s.json"), "utf8");
  writeFileSync(join(directory, "s.json"), "{");
  const store = await openLagging(directory);
  const { epoch } = one as { epoch: number };
  expect(await codeOf(store.claims.held(id, epoch))).toBe("session_corrupt");
  putOutside(directory, "s.json", text);
  await eventually(async () => expect(await store.has(id)).toBe(true));
  expect(await store.claims.held(id, epoch)).toEqual(["a", "b"]);
  expect((await store.claims.take(id, epoch, 9)).files).toEqual(["c"]);
});

test("on a full disk nothing is handed out or given back, and later it is", async () => {
  const directory = await tempDir();
  const disk = new FaultyFileSystem();
  const store = await openLagging(directory, undefined, disk.fileSystem);
  const [one, two] = await withClaims(store, ["a", "b", "c"], 1, 1);
  const { epoch } = one as { epoch: number };
  disk.fail(isJournalWrite, "ENOSPC");
  expect(await codeOf(store.claims.take(id, epoch, 1))).toBe("storage_full");
  expect(await codeOf(store.claims.giveBack(id, epoch, ["a"]))).toBe("storage_full");
  disk.intercept();
  expect(await store.claims.held(id, epoch)).toEqual(["a"]);
  expect(await store.claims.take(id, two?.epoch as number, 3)).toEqual({ files: ["c"], left: 3, free: 0 });
  await store.claims.giveBack(id, epoch, ["a"]);
  expect((await store.claims.take(id, two?.epoch as number, 1)).files).toEqual(["a"]);
});

/** So long that the journal does not write three of them in one go with the event loop waiting. */
const long = (name: string) => name.repeat(4000);

/** Holds the next write of the journal, after it was made. Resolves when it is held, with what lets it go. */
function holdJournal(disk: FaultyFileSystem): Promise<() => void> {
  return new Promise((resolve) => {
    disk.intercept((operation, run) => {
      const result = run();
      if (operation.name !== "file.write" || !isJournalWrite(operation)) return result;
      disk.intercept();
      return Promise.resolve(result).then(
        (bytes) => new Promise((go) => resolve(() => go(bytes))),
      ) as typeof result;
    });
  });
}

async function withLongNames() {
  const disk = new FaultyFileSystem();
  const store = await openLagging(await tempDir(), undefined, disk.fileSystem);
  const names = ["a", "b", "c", "d"].map(long);
  const [one, two] = await withClaims(store, names, 0, 0);
  return { disk, store, names, one: one as { epoch: number; token: string }, two: two as { epoch: number } };
}

test("a worker that comes back while its claim is being written is told of it when it is durable", async () => {
  const { disk, store, names, one, two } = await withLongNames();
  await store.leases.release(id, two.epoch);
  const held = holdJournal(disk);
  const taking = codeOf(store.claims.take(id, one.epoch, 3));
  const letGo = await held;
  const { epoch } = (await store.leases.acquire(id, { shared: true, token: one.token })).lease;
  let told: string[] | undefined;
  const telling = store.claims.held(id, epoch).then((files) => {
    told = files;
  });
  await store.records.replace("while-it-waits", {});
  expect(told).toBeUndefined();
  letGo();
  expect(await taking).toBe("lease_lost");
  await telling;
  expect(told).toEqual(names.slice(0, 3));
});

test("a claim whose lease ends while it is being written is told to nobody", async () => {
  const { disk, store, names, one, two } = await withLongNames();
  await store.leases.release(id, two.epoch);
  const held = holdJournal(disk);
  const taking = codeOf(store.claims.take(id, one.epoch, 3));
  const letGo = await held;
  await store.leases.release(id, one.epoch);
  const { epoch } = (await store.leases.acquire(id, { shared: true })).lease;
  const next = store.claims.take(id, epoch, 9);
  letGo();
  expect(await taking).toBe("lease_lost");
  expect((await next).files).toEqual(names);
});

test("a file that is not pending any more when its claim is durable is not handed out", async () => {
  const { disk, store, names, one, two } = await withLongNames();
  await store.leases.release(id, two.epoch);
  const held = holdJournal(disk);
  const taking = store.claims.take(id, one.epoch, 3);
  const letGo = await held;
  const checkpoint = { processed_files: names.slice(0, 1), pending_files: names.slice(2) };
  await store.apply(id, { type: "checkpoint", checkpoint }, { epoch: one.epoch });
  letGo();
  expect(await taking).toEqual({ files: names.slice(2, 3), left: 2, free: 1 });
  expect(await store.claims.held(id, one.epoch)).toEqual(names.slice(2, 3));
});

test("a report that is under way when its lease ends counts, and nobody gets its file", async () => {
  const { disk, store, names, one, two } = await withLongNames();
  expect((await store.claims.take(id, one.epoch, 1)).files).toEqual(names.slice(0, 1));
  const held = holdJournal(disk);
  const results = { result: long("result") };
  const reporting = store.report(id, { processed: names.slice(0, 1), results }, { epoch: one.epoch });
  const letGo = await held;
  let freed = 0;
  store.claims.onFree(() => freed++);
  const ending = store.leases.release(id, one.epoch);
  const recorded = async () => ((await store.records.load("leases")) as { leases: unknown[] }).leases;
  await eventually(async () => expect(await recorded()).toHaveLength(1));
  for (const name of ["one", "another"]) await store.records.replace(name, {});
  expect(freed).toBe(0);
  const taking = store.claims.take(id, two.epoch, 1);
  letGo();
  await Promise.all([reporting, ending]);
  expect((await taking).files).toEqual(names.slice(1, 2));
});

test("whoever claims while the claims of a long report end hears when the other files are free", async () => {
  const store = await openLagging(await tempDir());
  const names = Array.from({ length: 40_000 }, (_, at) => `f${at}`);
  const [one] = await withClaims(store, names, 0);
  const epoch = one?.epoch as number;
  const { files } = await store.claims.take(id, epoch, 30_000);
  const free: number[] = [];
  let freed = 0;
  store.claims.onFree(() => freed++);
  const isReported = store.report(id, { processed: files }, { epoch }).then(() => true);
  while (!(await Promise.race([isReported, Promise.resolve(false)])))
    free.push((await store.claims.take(id, epoch, 1)).free);
  expect(freed).toBe(1);
  expect((await store.claims.take(id, epoch, 1)).free).toBeGreaterThan(0);
});

test("claims outlive many starts, and the journal stays short", async () => {
  const directory = await tempDir();
  let store = await openLagging(directory, 0);
  const [one, two] = await withClaims(store, ["a", "b", "c", "d"], 2, 1);
  await store.create({ session_id: other, config });
  for (let start = 0; start < 6; start++) {
    await store.close();
    store = await openLagging(directory, 0);
    await store.report(other, { added: [`f${start}`] });
  }
  await eventually(() => expect(segmentsIn(directory).length).toBeLessThan(5));
  for (const next of [store, await openLagging(await killed(directory))]) {
    expect(await next.claims.held(id, one?.epoch as number)).toEqual(["a", "b"]);
    expect(await next.claims.held(id, two?.epoch as number)).toEqual(["c"]);
  }
  await store.leases.release(id, one?.epoch as number);
  await store.report(id, { processed: ["c"] }, { epoch: two?.epoch });
  await store.close();
  expect(segmentsIn(directory)).toEqual([]);
});

test("a lease whose record is lost has no claims", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  await withClaims(store, ["a", "b"], 1, 1);
  await store.close();
  rmSync(join(directory, ".sessiond", "leases.json"));
  const next = await openLagging(directory);
  const { epoch } = (await next.leases.acquire(id, { shared: true })).lease;
  expect((await next.claims.take(id, epoch, 9)).files).toEqual(["a", "b"]);
});

test("damaged claims pause their session, as damaged reports do", async () => {
  const directory = await tempDir();
  const store = await openLagging(directory);
  const [one] = await withClaims(store, ["a-file-of-the-first-worker", "b"], 1);
  await store.report(id, { processed: ["a-file-of-the-first-worker"] }, { epoch: one?.epoch });
  const copy = await killed(directory);
  const path = join(copy, ".sessiond", "journal", segmentsIn(copy)[0] as string);
  const bytes = readFileSync(path);
  bytes.write("X", bytes.indexOf("a-file-of-the-first-worker"));
  writeFileSync(path, bytes);
  const next = await openLagging(copy);
  expect(await next.summary(id)).toMatchObject({ status: "paused", processed_count: 1 });
  expect(await next.health()).toContainEqual(expect.objectContaining({ code: "journal_damaged" }));
});

test("a report of many files is checked as a small one is, in the order of the calls", async () => {
  const store = await openLagging(await tempDir());
  const names = Array.from({ length: 60_000 }, (_, index) => `directory/file-${index}.ts`);
  const [one] = await withClaims(store, names, 0);
  const { epoch } = one as { epoch: number };
  while ((await store.claims.take(id, epoch, 10_000)).free > 10_000);
  const held = names.slice(0, 50_000);
  expect(await store.claims.counts(id)).toEqual(new Map([[epoch, held.length]]));
  const report = (processed: string[], result: string, of = epoch) =>
    store.report(id, { processed, results: { [processed[0] as string]: result } }, { epoch: of });
  const codes = await Promise.all([
    codeOf(report(held.slice(0, 30_000), "first")),
    codeOf(report([...held.slice(30_000), names[55_000] as string], "refused")),
    codeOf(report(held.slice(0, 40_000), "again")),
    codeOf(report(held, "lost", epoch + 1)),
    codeOf(report(held.slice(40_000, 40_001), "small")),
  ]);
  expect(codes).toEqual(["ok", "not_claimed", "ok", "lease_lost", "ok"]);
  const { session } = await store.read(id);
  expect(session.processed_files).toEqual(held.slice(0, 40_001));
  expect(await store.claims.counts(id)).toEqual(new Map([[epoch, 9_999]]));
  expect((await store.claims.take(id, epoch, 1)).files).toEqual([names[50_000]]);
});
