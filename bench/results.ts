/** The results of a run, as they are written to results.json. */
import type { Claimed } from "./claims.ts";
import type { CleanedUp } from "./cleanup.ts";
import type { Durability } from "./durability.ts";
import type { Growth, Written } from "./growth.ts";
import type { Ran } from "./jobs.ts";
import type { Answered } from "./listing.ts";
import type { Machine } from "./machine.ts";
import type { Paced } from "./pacing.ts";
import type { Postgres } from "./postgres/measure.ts";
import type { PythonReports } from "./python.ts";
import type { Reports } from "./reports.ts";
import type { SharedRun } from "./shared-runs.ts";
import type { StartUps } from "./start-up.ts";
import type { Whole } from "./whole-session.ts";

export interface Results {
  mode: "quick" | "full";
  date: string;
  rounds: number;
  machine: Machine;
  versions: Record<string, string>;
  /** How each peer was set up, and what its figures leave out. */
  notes: Record<string, string>;
  skipped: { what: string; because: string }[];
  durability?: Durability[];
  waiting?: Reports;
  in_flight?: Reports;
  growth?: Growth[];
  bytes?: Written[];
  whole?: Whole[];
  start?: StartUps;
  list?: Answered[];
  outside?: Answered[];
  cleanup?: CleanedUp[];
  jobs?: Ran[];
  pacing?: Paced[];
  claims?: Claimed[];
  shared?: SharedRun[];
  python?: PythonReports[];
  /** Null if there is no PostgreSQL. */
  postgres?: Postgres | null;
  bars?: Bar[];
}

export interface Bar {
  bar: string;
  wanted: string;
  /**
   * Null if a peer was skipped. With a figure, `pass` is null if a quick run cannot decide it.
   */
  measured: number | null;
  pass: boolean | null;
}

export const notes: Record<string, string> = {
  method:
    "All workers of a peer are in one client process, the same program for every peer. Rounds are run in turn, disks are synced between them, and figures are medians of the rounds. A worker's first report is not timed. After each round, what the peer has is compared with what it acknowledged.",
  report:
    "One file with a result of about 100 bytes. A worker that waits sends the next when the last is acknowledged.",
  "sessiond, channel": "A connection for each worker, one message for each report.",
  "sessiond, library": "SessionClient.attach().report, which merges reports while others are on their way.",
  "sessiond, HTTP":
    "POST progress over a raw socket for each worker, kept open; only status and length are read.",
  Redis:
    'appendonly yes, appendfsync always, save "", no background rewrites, Unix socket, a connection for each worker; RPUSH and HSET in MULTI. Client library and way of pipelining: the fastest of those under "tried".',
  "SQLite rows":
    "WAL, synchronous=FULL, a row for each file, a transaction for each report. A library that blocks: its workers are callers in the client process that take turns.",
  "whole JSON file":
    "write-file-atomic of the whole session for each report, in the client process. It syncs the file and not the directory.",
  "LangGraph SqliteSaver":
    "put() of a checkpoint whose channels hold the lists and the results, after each report. WAL, and synchronous=FULL, which it does not set itself.",
  "bare journal loop":
    'Appends to one file and one write for all that wait, in the client process: no server, no sessions. O_DSYNC or fdatasync: the faster of those under "tried".',
  "bare lines and journal":
    "The limit of a server in Node.js: a connection for each worker, JSON.parse of a line, the bare journal loop (O_DSYNC), an answer, in a process of its own. No sessions, no checks, no JSON files.",
  growth:
    "One worker that waits, in sessions that are half done: what it costs to write all of a session grows from its beginning to its end, and the peers that do so are stopped long before, so that the middle stands for the mean. Sessions with fewer files than reports are gone through again and again. The time includes what was put off: the JSON file of sessiond, the checkpoint of SQLite's log.",
  bytes:
    "write_bytes of /proc/PID/io, which Linux counts in pages of 4096 bytes, of a session from beginning to end.",
  whole:
    "One session with all of its files done, on which something was reported just before. The stall is that of the daemon, the worst of the rounds.",
  start:
    "The files are in the page cache. The first start has no .sessiond directory, the next follows a clean stop. Above empty: without what an empty directory takes.",
  jobs: "true for each file, 2 at once: sessionctl run, which records each result durably in a session that it creates, and GNU parallel with --joblog --resume, which keeps a line in a file that it does not sync. From the start of the program to its end.",
  pacing:
    "A service in a process of its own: a token bucket of 20 that is filled evenly with 20 a second, 100 ms a call; beyond it 429 with Retry-After in whole seconds. Each command is a shell line with curl that ends with 75 if it was refused, 8 at once. The peer is a loop in the benchmark that makes the same calls and keeps no record: one more at once for as many successes as run at once, half at a refusal. The shortest possible time is that of the bucket, and one call.",
  claims:
    "Workers of one shared session, all in the benchmark's own process. Each claims one file, waits for the answer and claims the next. Nothing is reported.",
  shared:
    "true for each file in one session: four processes of sessionctl run --share with one command at once each, started together, against one process with four at once. From the first start to the last exit.",
  python:
    "One worker with the package in python/, in a session of its own. Each report is waited for, or as many are in flight as the package allows.",
  postgres:
    "A server of its own, fsync on, no checkpoint within a round, Unix sockets. The daemon on PostgreSQL, and its peers there, share its processes with nobody else. Three daemons against one: three client processes in both cases, which begin together; each daemon has sessions of its own.",
  "LangGraph PostgresSaver":
    "A pool of 32 connections. In flight: putWrites() of a task for each file, as for tasks that run at the same time. Waiting: put() after each file, in sessions of 1,000 files, as its cost grows with the session.",
  DBOS: "A workflow for each session, runStep() for each file, a pool of 32 connections. In flight: up to 50 steps of a workflow at the same time.",
  "pg-boss":
    "A job for each file, entered before the round; a pool of 32 connections. In flight: fetch() and complete() of 200 at a time, without results. Waiting: of one, with its result. Times are those of a fetch and its completion.",
  "graphile-worker":
    "A job for each file, entered before the round; a pool of 32 connections. From the first job that begins until all are deleted; it keeps no results. In flight: localQueue of 500 and completeJobBatchDelay 0. Waiting: neither.",
  "postgres, event stream":
    "From the request to pause or resume on one daemon until the event has come from another, the answer not waited for, and nothing else going on.",
  stall:
    "The longest time for which the event loop of the daemon did not turn, after the program was loaded.",
};
