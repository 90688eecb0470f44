/**
 * pg-boss: a job for each file. A worker fetches and completes one, or, with `in flight`, 200 at a time. A
 * batch keeps no results, as `complete()` of several jobs would give all of them to each.
 */
import pg from "pg";
import { Samples } from "../measure.ts";
import { fileNames, nextResult } from "../work.ts";
import { loadPackage } from "./packages.ts";
import type { PeerSettings } from "./peer.ts";
import { drained, type Queue } from "./queue.ts";

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(options: object): Promise<void>;
  createQueue(name: string): Promise<void>;
  insert(jobs: { name: string; data: object }[]): Promise<unknown>;
  fetch(name: string, options: { batchSize: number }): Promise<{ id: string }[]>;
  complete(name: string, ids: string[], output?: object): Promise<unknown>;
  getQueueSize(name: string, options: { before: "completed" }): Promise<number>;
}

export async function pgBoss({ url, variant }: PeerSettings): Promise<Queue> {
  const { default: PgBoss } = await loadPackage<{ default: new (options: object) => Boss }>("pg-boss");
  const boss = new PgBoss({ connectionString: url, max: 32, supervise: false, schedule: false });
  boss.on("error", (error) => process.stderr.write(`pg-boss: ${error.message}\n`));
  await boss.start();
  const batchSize = variant === "in flight" ? 200 : 1;
  const name = "files";
  await boss.createQueue(name);
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  return {
    async measure({ workers, files, limitMs }) {
      const names = fileNames(files);
      for (let at = 0; at < files; at += 5000)
        await boss.insert(names.slice(at, at + 5000).map((file) => ({ name, data: { file } })));
      const latencies = new Samples();
      let done = 0;
      const begun = performance.now();
      const work = async () => {
        for (let now = begun; now < begun + limitMs; ) {
          const jobs = await boss.fetch(name, { batchSize });
          if (jobs.length === 0) return;
          const ids = jobs.map(({ id }) => id);
          await (batchSize === 1 ? boss.complete(name, ids, nextResult()) : boss.complete(name, ids));
          done += ids.length;
          const then = performance.now();
          latencies.add(then - now);
          now = then;
        }
      };
      await Promise.all(Array.from({ length: workers }, work));
      const ms = performance.now() - begun;
      const left = await boss.getQueueSize(name, { before: "completed" });
      await pool.query("truncate pgboss.job");
      return drained(files, left, done, ms, latencies);
    },
    async close() {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
}
