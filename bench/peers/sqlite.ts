/**
 * SQLite with a row for each file of a session and a transaction for each report. The library blocks, so the
 * workers of this peer are callers in one process that take turns.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { nextResult } from "../work.ts";
import { loadPackage } from "./packages.ts";
import { type Peer, type PeerSettings, type Reporter, turn } from "./peer.ts";

/** The common part of better-sqlite3 and node:sqlite. */
interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

interface Statement {
  run(...values: unknown[]): { changes: number | bigint };
  get(...values: unknown[]): unknown;
}

export async function sqlite({ directory, variant }: PeerSettings): Promise<Peer> {
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "sessions.db");
  const openDatabase = await databaseOpener(variant);
  let database: Database | undefined;
  return {
    async open(session, files, done) {
      database ??= createTables(openDatabase(path));
      insertFiles(database, session, files, done);
      return reporter(database, session);
    },
    async clear() {
      database?.close();
      database = undefined;
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    },
    async close() {
      database?.close();
    },
  };
}

async function databaseOpener(variant: string): Promise<(path: string) => Database> {
  if (variant === "node:sqlite") {
    const name = "node:sqlite";
    const { DatabaseSync } = (await import(name)) as { DatabaseSync: new (path: string) => Database };
    return (path) => new DatabaseSync(path);
  }
  const { default: Better } = await loadPackage<{ default: new (path: string) => Database }>(
    "better-sqlite3",
  );
  return (path) => new Better(path);
}

function createTables(database: Database): Database {
  database.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;");
  const mode = database.prepare("PRAGMA journal_mode").get() as { journal_mode: string };
  const level = database.prepare("PRAGMA synchronous").get() as { synchronous: number | bigint };
  if (mode.journal_mode !== "wal" || Number(level.synchronous) !== 2) {
    throw new Error("SQLite did not accept WAL with synchronous=FULL");
  }
  // A file without a result is pending.
  database.exec(
    "CREATE TABLE files (session TEXT, file TEXT, result TEXT, PRIMARY KEY (session, file)) WITHOUT ROWID",
  );
  return database;
}

function insertFiles(database: Database, session: string, files: readonly string[], done: number): void {
  const insert = database.prepare("INSERT INTO files (session, file, result) VALUES (?, ?, ?)");
  database.exec("BEGIN");
  for (const [at, file] of files.entries()) {
    insert.run(session, file, at < done ? JSON.stringify(nextResult()) : null);
  }
  database.exec("COMMIT");
}

function reporter(database: Database, session: string): Reporter {
  // A single statement is a transaction of its own.
  const update = database.prepare("UPDATE files SET result = ? WHERE session = ? AND file = ?");
  const count = database.prepare("SELECT count(*) AS n FROM files WHERE session = ? AND result IS NOT NULL");
  return {
    async report(file) {
      await turn();
      const { changes } = update.run(JSON.stringify(nextResult()), session, file);
      if (Number(changes) !== 1) throw new Error("SQLite did not find the file");
    },
    async finishDeferred() {
      database.prepare("PRAGMA wal_checkpoint(FULL)").get();
    },
    stored: async () => Number((count.get(session) as { n: number | bigint }).n),
    async close() {},
  };
}
