/** The list of all peers. */
import { dbos } from "./dbos.ts";
import { graphileWorker } from "./graphile-worker.ts";
import { journalLoop } from "./journal-loop.ts";
import { langGraph } from "./langgraph.ts";
import { langGraphPostgres } from "./langgraph-postgres.ts";
import { lineJournal } from "./line-journal.ts";
import type { Peer, PeerSettings } from "./peer.ts";
import { pgBoss } from "./pg-boss.ts";
import type { Queue } from "./queue.ts";
import { redis } from "./redis.ts";
import { sessiondChannel } from "./sessiond-channel.ts";
import { sessiondHttp } from "./sessiond-http.ts";
import { sessiondLibrary } from "./sessiond-library.ts";
import { sqlite } from "./sqlite.ts";
import { wholeFile } from "./whole-file.ts";

export const peers = {
  "sessiond, channel": sessiondChannel,
  "sessiond, library": sessiondLibrary,
  "sessiond, HTTP": sessiondHttp,
  Redis: redis,
  "SQLite rows": sqlite,
  "whole JSON file": wholeFile,
  "LangGraph SqliteSaver": langGraph,
  "bare journal loop": journalLoop,
  "bare lines and journal": lineJournal,
  "LangGraph PostgresSaver": langGraphPostgres,
  DBOS: dbos,
  "pg-boss": pgBoss,
  "graphile-worker": graphileWorker,
} satisfies Record<string, (settings: PeerSettings) => Peer | Promise<Peer | Queue>>;

export type PeerName = keyof typeof peers;
