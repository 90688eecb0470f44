/** The daemon's own records: small documents and logs in tables. All daemons of a store share them. */
import type { z } from "zod";
import { KeyedQueue } from "../../async/keyed-queue.ts";
import { parsePlainJson, stringifyJson } from "../../json/exact-json.ts";
import type { Logger } from "../../log.ts";
import { foreignCursor, readRecord } from "../read-record.ts";
import type { Records } from "../session-store.ts";
import type { ChangesUnderWay } from "./changes/under-way.ts";
import type { Database, Queryable } from "./connection/database.ts";
import { toText } from "./schema/names.ts";

/** A log keeps about this many entries. */
const maxEntries = 100_000;
/** The oldest entries are looked for after so many new ones of this daemon. */
const trimAfter = 1000;

export interface RecordsOptions {
  database: Database;
  changes: ChangesUnderWay;
  logger: Logger;
}

export function postgresRecords({ database, changes, logger }: RecordsOptions): Records {
  // Replacements of one record are made in the order of the calls.
  const queue = new KeyedQueue();
  /** By log, how many entries this daemon has added since it looked for the oldest ones. */
  const added = new Map<string, number>();

  async function append(name: string, lines: readonly Buffer[]): Promise<void> {
    const offsets: number[] = [];
    let offset = 1;
    for (const line of lines) {
      offsets.push(offset);
      offset += line.length;
    }
    const lengths = lines.map((line) => line.length);
    await database.query(
      `insert into sessiond.entries (name, entry)
       select $1, substring($2::bytea from o for l)
       from unnest($3::int[], $4::int[]) with ordinality as t(o, l, i) order by i`,
      [toText(name), Buffer.concat(lines), offsets, lengths],
    );
    const count = (added.get(name) ?? 0) + lines.length;
    added.set(name, count % trimAfter);
    if (count >= trimAfter) await trim(name);
  }

  async function trim(name: string): Promise<void> {
    await database.query(
      `delete from sessiond.entries where name = $1 and n <=
       (select n from sessiond.entries where name = $1 order by n desc offset $2 limit 1)`,
      [toText(name), maxEntries],
    );
  }

  /** A record is not the truth about any session: it is kept for inspection, and begun anew. */
  async function setAside(tx: Queryable, name: string, why: string): Promise<void> {
    const aside = `${name}.set-aside`;
    logger.warn({ record: name, why, aside }, "a record of the daemons cannot be used, and was set aside");
    await tx.query(
      `insert into sessiond.records (name, value) select $2, value from sessiond.records where name = $1
       on conflict (name) do update set value = excluded.value`,
      [toText(name), toText(aside)],
    );
    await tx.query("update sessiond.records set value = '' where name = $1", [toText(name)]);
  }

  /** The row, if there is one, is locked until the transaction ends. */
  async function read<T>(tx: Queryable, name: string, schema?: z.ZodType<T>): Promise<T | undefined> {
    const [row] = await tx.query<{ value: Buffer }>(
      "select value from sessiond.records where name = $1 for update",
      [toText(name)],
    );
    if (row === undefined || row.value.length === 0) return undefined;
    const found = readRecord(row.value.toString(), schema);
    if (found.why === undefined) return found.value;
    await setAside(tx, name, found.why);
    return undefined;
  }

  async function put(tx: Queryable, name: string, value: Buffer): Promise<void> {
    await tx.query(
      `insert into sessiond.records (name, value) values ($1, $2)
       on conflict (name) do update set value = excluded.value`,
      [toText(name), value],
    );
  }

  return {
    async load<T>(name: string, schema?: z.ZodType<T>) {
      const [row] = await database.query<{ value: Buffer }>(
        "select value from sessiond.records where name = $1",
        [toText(name)],
      );
      if (row === undefined || row.value.length === 0) return undefined;
      const found = readRecord(row.value.toString(), schema);
      if (found.why === undefined) return found.value;
      // With the row locked, because somebody may have replaced it meanwhile.
      return database.transaction((tx) => read(tx, name, schema));
    },
    replace(name, value) {
      const bytes = Buffer.from(stringifyJson(value));
      return changes.run(() => queue.run(name, () => put(database, name, bytes)));
    },
    update(name, schema, change) {
      const attempt = () =>
        database.transaction(async (tx) => {
          // A row that is not there cannot be locked, so it is made first, with no value.
          await tx.query(
            "insert into sessiond.records (name, value) values ($1, '') on conflict do nothing",
            [toText(name)],
          );
          const value = change(await read(tx, name, schema));
          await put(tx, name, Buffer.from(stringifyJson(value)));
          return value;
        });
      return changes.run(() => queue.run(name, attempt));
    },
    append(name, entries) {
      const lines = entries.map((entry) => Buffer.from(stringifyJson(entry)));
      return changes.run(() =>
        queue.run(name, async () => {
          if (lines.length > 0) await append(name, lines);
        }),
      );
    },
    async tail(name, limit, cursor) {
      const before = cursor === undefined ? null : parseCursor(cursor);
      const rows = await database.query<{ n: number; entry: Buffer }>(
        `select n, entry from sessiond.entries where name = $1 and ($2::int8 is null or n < $2)
         order by n desc limit $3`,
        [toText(name), before, limit + 1],
      );
      const page = rows.slice(0, limit);
      const entries = page.map(({ entry }) => parsePlainJson(entry.toString()));
      const last = page.at(-1);
      return { entries, cursor: rows.length > limit && last !== undefined ? String(last.n) : null };
    },
  };
}

function parseCursor(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw foreignCursor();
}
