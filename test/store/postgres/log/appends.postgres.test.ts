/** What is appended: durable once, in order, whoever else appends, and whatever becomes of the connection. */
import { describe, expect, onTestFinished, test } from "vitest";
import type { SessionId } from "../../../../src/session/session-id.ts";
import type { Database, Queryable } from "../../../../src/store/postgres/connection/database.ts";
import { report } from "../../../../src/store/postgres/log/report.ts";
import { sharedPostgres, testDatabase, withoutPostgres } from "../../../support/postgres/database.ts";
import { startProxy } from "../../../support/postgres/proxy.ts";
import { leaseFor, logOn, openedDatabase, openedLog, rowOf, sessionOf, stateOf } from "./opened-log.ts";

const idOf = (at: number) => `s${at}` as SessionId;

describe.skipIf(withoutPostgres())("appends of several daemons", () => {
  test("to few sessions at random: each is kept once, nobody starves, and there is no deadlock", async () => {
    const { url, query, name } = await testDatabase();
    const opened = await Promise.all([1, 2, 3].map(() => openedLog(url)));
    const [{ log }] = opened as [(typeof opened)[0]];
    const sessions = 6;
    for (let at = 0; at < sessions; at++) await log.create(sessionOf(idOf(at), []));
    let made = 0;
    const work = opened.flatMap(({ log }, who) =>
      Array.from({ length: 12 }, async (_, worker) => {
        for (let at = 0; at < 15; at++) {
          const id = idOf((who * 7 + worker * 5 + at * 3) % sessions);
          await report(log, id, { processed: [`${who}-${worker}-${at}`], results: { last: at } }, {});
          made++;
        }
      }),
    );
    await Promise.all(work);
    const processed: string[] = [];
    for (let at = 0; at < sessions; at++) {
      const { session } = (await stateOf(logOn(opened[0]?.database as never).log, idOf(at))) as {
        session: { processed_files: string[]; revision: number };
      };
      // Each report has a revision of its own.
      expect(session.revision).toBe(session.processed_files.length + 1);
      processed.push(...session.processed_files);
    }
    expect(new Set(processed).size).toBe(made);
    expect(processed).toHaveLength(made);
    const [{ deadlocks } = {}] = await query("select deadlocks from pg_stat_database where datname = $1", [
      name,
    ]);
    expect(Number(deadlocks)).toBe(0);
  });

  test("a document that is replaced where there is no copy wakes who waits for a free file", async () => {
    const { url } = await testDatabase();
    const { log, freed } = await openedLog(url);
    const id = idOf(1);
    await log.create(sessionOf(id, ["a"]));
    await log.change(id, "row", (row) => row.replace(sessionOf(id, ["a", "b"], { revision: 2 })));
    expect(freed).toEqual([id]);
    freed.length = 0;
    await log.change(id, "row", (row) => row.setFrame(sessionOf(id, [], { revision: 3, pinned: true })));
    expect(freed).toEqual([]);
  });

  test("beside those of another: three round trips each, and the copy is not loaded again", async () => {
    const { url } = await testDatabase();
    const other = await openedLog(url);
    const database = await openedDatabase(url);
    const asked: string[] = [];
    const watched = (tx: Queryable): Queryable => ({
      query: (text, values) => {
        asked.push(text);
        return tx.query(text, values);
      },
    });
    const { log } = logOn({
      ...watched(database),
      clock: database.clock,
      transaction: (use, options) => {
        asked.push("begin");
        return database.transaction((tx, opened) => use(watched(tx), opened), options);
      },
    } as Database);
    const id = idOf(1);
    await other.log.create(sessionOf(id, []));
    for (const { log: first } of [{ log }, other]) await report(first, id, { processed: ["a"] }, {});
    await report(log, id, { processed: ["b"] }, {});
    asked.length = 0;
    const [rounds, own] = [4, 12];
    for (let at = 0; at < rounds; at++) {
      await report(other.log, id, { processed: [`other ${at}`] }, {});
      for (let n = 0; n < own; n++) await report(log, id, { processed: [`${at} ${n}`] }, {});
    }
    // A transaction begins with the lock and what the copy lacks; then come the append and the commit.
    expect(asked.filter((text) => text === "begin")).toHaveLength(rounds * own);
    expect(asked).toHaveLength(2 * rounds * own);
    expect(await stateOf(log, id)).toEqual(await stateOf(logOn(database).log, id));
  });

  test("of one daemon to one session: made in the order of the calls", async () => {
    const { url } = await testDatabase();
    const { log } = await openedLog(url);
    const id = idOf(1);
    await log.create(sessionOf(id, []));
    const names = Array.from({ length: 2500 }, (_, at) => `f${at}`);
    const replies = await Promise.all(names.map((name) => report(log, id, { processed: [name] }, {})));
    expect(replies.map(({ revision }) => revision)).toEqual(names.map((_, at) => at + 2));
    expect(await log.read(id, async ({ working }) => (await working.toSession()).processed_files)).toEqual(
      names,
    );
  });

  test("a refusal by a copy that is out of date is looked at again", async () => {
    const { url } = await testDatabase();
    const [one, two] = await Promise.all([openedLog(url), openedLog(url)]);
    const id = idOf(1);
    await one.log.create(sessionOf(id, ["a"]));
    await two.log.read(id, () => {});
    await one.log.change(id, "row", (row) => row.setLeases([leaseFor(id, 7, false)], Buffer.from("{}")));
    // The second daemon has heard of no lease.
    await expect(report(two.log, id, { processed: ["a"] }, { epoch: 7 })).resolves.toMatchObject({
      revision: 2,
    });
    await expect(report(two.log, id, {}, { epoch: 6 })).rejects.toMatchObject({ code: "lease_lost" });
    await expect(report(two.log, id, {}, {})).rejects.toMatchObject({ code: "lease_held" });
  });
});

describe.skipIf(withoutPostgres())("a lost reply", () => {
  async function throughProxy() {
    const proxy = await startProxy(sharedPostgres());
    onTestFinished(() => proxy.close());
    const { url, name, query } = await testDatabase();
    const database = await openedDatabase(`postgres://postgres@127.0.0.1:${proxy.port}/${name}`);
    const direct = await openedLog(url);
    const opened = logOn(database);
    onTestFinished(() => opened.log.close());
    return { proxy, direct, query, ...opened };
  }

  test("of an append that was applied: the report is made once, and answered", async () => {
    const { proxy, log, direct } = await throughProxy();
    for (const at of [1, 2]) await direct.log.create(sessionOf(idOf(at), ["a", "b"]));
    for (const at of [1, 2]) await log.read(idOf(at), () => {});
    const lost = proxy.loseReply("insert into sessiond.journal");
    const replies = [1, 2].map((at) => report(log, idOf(at), { processed: ["a"] }, {}));
    await lost;
    expect(await Promise.all(replies)).toMatchObject([{ revision: 2 }, { revision: 2 }]);
    for (const at of [1, 2])
      expect(await rowOf(direct.database, idOf(at))).toMatchObject({
        seq: 2,
        summary: { processed_count: 1 },
      });
    await report(log, idOf(1), { processed: ["b"] }, {});
    expect(await stateOf(log, idOf(1))).toEqual(await stateOf(direct.log, idOf(1)));
  });

  test("of an append that never arrived: it is made again", async () => {
    const { proxy, log, direct } = await throughProxy();
    const id = idOf(1);
    await direct.log.create(sessionOf(id, ["a", "b"]));
    await report(log, id, { processed: ["a"] }, {});
    proxy.hold(true);
    const reply = report(log, id, { processed: ["b"] }, {});
    // The proxy has it, and never passes it on.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    proxy.cut();
    proxy.hold(false);
    expect(await reply).toMatchObject({ revision: 3 });
    expect(await rowOf(direct.database, id)).toMatchObject({ summary: { revision: 3, processed_count: 2 } });
    expect(await stateOf(log, id)).toEqual(await stateOf(direct.log, id));
  });

  test("of a commit of a change: it is made once", async () => {
    const { proxy, log, direct, changes, query } = await throughProxy();
    const id = idOf(1);
    await direct.log.create(sessionOf(id, ["a"]));
    await log.read(id, () => {});
    let calls = 0;
    const lost = proxy.loseReply("commit\0");
    const done = log.change(id, "row", async (row) => {
      calls++;
      const revision = row.summary.revision + 1;
      await row.setFrame({ ...row.frame, status: "paused", revision });
      return revision;
    });
    await lost;
    expect(await done).toBe(2);
    expect(calls).toBe(1);
    expect(changes).toMatchObject([{ kind: "f", seqBefore: 1, seqAfter: 2, after: { status: "paused" } }]);
    expect(await rowOf(direct.database, id)).toMatchObject({ seq: 2, summary: { revision: 2 } });
    expect(await query("select kind from sessiond.changes order by seq")).toHaveLength(2);
  });

  test("of the commit of a new session: there is one, and it is ours", async () => {
    const { proxy, log, direct, query } = await throughProxy();
    await direct.log.create(sessionOf("other", []));
    const lost = proxy.loseReply("commit\0");
    const made = log.create(sessionOf("new", ["a"]));
    await lost;
    expect(await made).toMatchObject({ session_id: "new", pending_count: 1 });
    expect(await log.create(sessionOf("new", ["b"]))).toBeUndefined();
    expect(await query("select kind from sessiond.changes where id = 'new'")).toHaveLength(1);
  });
});
