/** Large sessions: what a report costs, loading, compaction, and limits of memory. */
import { describe, expect, test } from "vitest";
import type { SessionId } from "../../../../src/session/session-id.ts";
import { compacted } from "../../../../src/store/postgres/log/compaction.ts";
import type { Copy } from "../../../../src/store/postgres/log/copy.ts";
import { report } from "../../../../src/store/postgres/log/report.ts";
import type { SessionLog } from "../../../../src/store/postgres/log/session-log.ts";
import { eventually } from "../../../support/eventually.ts";
import { testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";
import { beginLease, claim, logOn, openedLog, rowOf, sessionOf, stateOf } from "./opened-log.ts";

const id = "large" as SessionId;
const many = (count: number, prefix = "src/some/directory/file") =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}.py`);

async function baseOf(database: { query: <T>(text: string) => Promise<T[]> }) {
  const [row] = await database.query<{ base_seq: number; log_bytes: number; rows: number }>(
    "select base_seq, log_bytes, (select count(*) from sessiond.journal j where j.sid = s.sid) as rows from sessiond.sessions s",
  );
  return row as { base_seq: number; log_bytes: number; rows: number };
}

describe.skipIf(withoutPostgres())("a large session", () => {
  test("is loaded whole, by parts of its document and rows of its journal", async () => {
    const { url } = await testDatabase();
    const { log, database } = await openedLog(url);
    const files = many(100_000);
    await log.create(sessionOf(id, files));
    const result = { note: "x".repeat(100) };
    for (let at = 0; at < 5000; at += 50) {
      const processed = files.slice(at, at + 50);
      await report(
        log,
        id,
        { processed, results: Object.fromEntries(processed.map((f) => [f, result])) },
        {},
      );
    }
    const before = performance.now();
    const loaded = await stateOf(logOn(database).log, id);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(loaded).toEqual(await stateOf(log, id));
  });

  test("takes a report of many files in slices, in the order of the calls", async () => {
    const { url } = await testDatabase();
    const { log, database } = await openedLog(url);
    const files = many(30_000);
    await log.create(sessionOf(id, files));
    const replies = await Promise.all([
      report(log, id, { processed: ["first"] }, {}),
      report(log, id, { processed: files, results: { all: 1 } }, {}),
      report(log, id, { results: { all: 2 }, added: ["last"] }, {}),
    ]);
    expect(replies.map(({ revision }) => revision)).toEqual([2, 3, 4]);
    const state = await stateOf(log, id);
    expect(state).toMatchObject({ session: { pending_files: ["last"], partial_results: { all: 2 } } });
    expect(await stateOf(logOn(database).log, id)).toEqual(state);
  });

  test("is written anew beside its reports, and nothing is lost or made twice", async () => {
    const { url } = await testDatabase();
    const [one, two] = await Promise.all([openedLog(url), openedLog(url)]);
    await one.log.create(sessionOf(id, many(50)));
    await beginLease(one.log, id, { epoch: 1, id: 1 });
    await claim(one.log, id, 1, 3);
    await two.log.read(id, () => {});
    const note = "x".repeat(20_000);
    const work = async (log: SessionLog, name: string) => {
      for (let at = 0; at < 60; at++) {
        const added = [`${name}-${at}`];
        await report(log, id, { added, results: { [`r-${name}-${at % 7}`]: { at, note } } }, { epoch: 1 });
      }
    };
    await Promise.all([work(one.log, "a"), work(one.log, "b"), work(two.log, "c")]);
    await eventually(async () => expect((await baseOf(one.database)).base_seq).toBeGreaterThan(1));
    await one.log.close();
    await two.log.close();
    const state = await stateOf(logOn(one.database).log, id);
    expect(state).toMatchObject({ session: { revision: 181 }, claims: { length: 3 } });
    expect((state as { session: { pending_files: string[] } }).session.pending_files).toHaveLength(230);
    expect(await stateOf(one.log, id)).toEqual(state);
    expect(await stateOf(two.log, id)).toEqual(state);
    expect(state).toMatchObject((await rowOf(one.database, id)) as object);
  });

  test("is loaded again by a daemon whose copy is from before the document", async () => {
    const { url } = await testDatabase();
    const [one, two] = await Promise.all([openedLog(url), openedLog(url)]);
    await one.log.create(sessionOf(id, ["a", "b"]));
    await two.log.read(id, () => {});
    const note = "x".repeat(200_000);
    for (let at = 0; at < 8; at++) await report(one.log, id, { results: { [at]: note } }, {});
    await one.log.close();
    const { base_seq, rows } = await baseOf(one.database);
    expect(base_seq).toBeGreaterThan(1);
    expect(rows).toBeLessThan(8);
    expect(await stateOf(two.log, id)).toEqual(await stateOf(one.log, id));
  });

  test("as a document is of one moment, whatever is reported meanwhile", async () => {
    const { url } = await testDatabase();
    const { log } = await openedLog(url);
    await log.create(sessionOf(id, many(3000)));
    let document: Promise<{ seq: number; parts: readonly Buffer[] }> | undefined;
    await log.read(id, (copy) => {
      document = compacted(copy as Copy);
    });
    await report(log, id, { processed: many(3000) }, {});
    const { seq, parts } = (await document) as { seq: number; parts: readonly Buffer[] };
    expect(seq).toBe(1);
    expect(JSON.parse(Buffer.concat(parts).toString())).toMatchObject({ processed_files: [], claims: [] });
  });

  test("more copies than there is room for are forgotten, and loaded when they are needed", async () => {
    const { url } = await testDatabase();
    const { log, database } = await openedLog(url, { bytes: 1_000_000, sessions: 3 });
    const ids = ["a", "b", "c", "d", "e"] as SessionId[];
    for (const one of ids) await log.create(sessionOf(one, ["x", "y"]));
    await Promise.all(ids.map((one) => report(log, one, { processed: ["x"] }, {})));
    for (const one of ids) await report(log, one, { processed: ["y"] }, {});
    for (const one of ids) expect(await stateOf(log, one)).toEqual(await stateOf(logOn(database).log, one));
  });
});
