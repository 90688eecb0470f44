/**
 * graphile-worker: a job for each file. With `in flight`, as its page on performance says: a local queue, and
 * completed jobs gathered for one statement. It deletes completed jobs, and keeps no results.
 */
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { fileNames } from "../work.ts";
import { loadPackage } from "./packages.ts";
import type { PeerSettings } from "./peer.ts";
import { drained, type Queue } from "./queue.ts";

interface Runner {
  stop(): Promise<void>;
}

interface WorkerModule {
  run(options: object): Promise<Runner>;
  runMigrations(options: object): Promise<void>;
  Logger: new (factory: () => () => void) => object;
}

export async function graphileWorker({ url, variant }: PeerSettings): Promise<Queue> {
  process.env.NO_LOG_SUCCESS = "1";
  const { run, runMigrations, Logger } = await loadPackage<WorkerModule>("graphile-worker");
  const pool = new pg.Pool({ connectionString: url, max: 32 });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  const logger = new Logger(() => () => {});
  await runMigrations({ pgPool: pool, logger });
  const batched = { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 };
  const left = async () =>
    Number((await pool.query("select count(*) from graphile_worker.jobs")).rows[0]?.count);
  return {
    async measure({ workers, files }) {
      await pool.query(
        `select count(*) from graphile_worker.add_jobs(array(
           select json_populate_record(null::graphile_worker.job_spec,
             json_build_object('identifier', 'check', 'payload', json_build_object('file', file)))
           from unnest($1::text[]) as file))`,
        [fileNames(files)],
      );
      await pool.query("analyze graphile_worker._private_jobs");
      let done = 0;
      let begun = 0;
      let finish = () => {};
      const finished = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const check = async () => {
        if (done === 0) begun = performance.now();
        if (++done === files) finish();
      };
      const worker = { concurrentJobs: workers, ...(variant === "in flight" ? batched : {}) };
      const options = { pgPool: pool, logger, noHandleSignals: true };
      const runner = await run({ ...options, taskList: { check }, preset: { worker } });
      await finished;
      await runner.stop();
      // The last of the completed jobs may be deleted a moment later.
      let rest = await left();
      for (let looks = 0; rest > files - done && looks < 100; looks++) {
        await sleep(20);
        rest = await left();
      }
      const ms = performance.now() - begun;
      return drained(files, rest, done, ms);
    },
    close: () => pool.end(),
  };
}
