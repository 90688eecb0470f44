/** What a report costs in PostgreSQL does not grow with its session. */
import { expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { testCluster } from "../support/postgres/cluster.ts";
import { createDatabase } from "../support/postgres/database.ts";
import { postgresObstacle } from "../support/postgres/programs.ts";

const config = { target_path: "/src" };
const why = postgresObstacle();
const name = "the last of 33,000 reports writes as much of the log of PostgreSQL as the first";

test.skipIf(why !== undefined)(why === undefined ? name : `${name} (${why})`, async () => {
  // No checkpoint adds whole pages meanwhile.
  const cluster = await testCluster({ settings: { checkpoint_timeout: "1h", max_wal_size: "4GB" } });
  const { url } = await createDatabase(cluster);
  const { client } = await startDaemon({ storage: { postgres: url } });
  await client.createSession({ session_id: "s", config });
  const position = async () =>
    Number((await cluster.query("select pg_current_wal_lsn() - '0/0'::pg_lsn as at"))[0]?.at);
  const windows: { bytes: number; ms: number }[] = [];
  let next = 0;
  for (let window = 0; window < 33; window++) {
    const [bytes, ms] = [await position(), performance.now()];
    const until = next + 1000;
    const callers = Array.from({ length: 32 }, async () => {
      while (next < until) {
        const file = `src/module/file-${next++}.ts`;
        await client.reportProgress("s", { processed: [file], results: { [file]: { issues: 3 } } });
      }
    });
    await Promise.all(callers);
    windows.push({ bytes: (await position()) - bytes, ms: performance.now() - ms });
  }
  const median = (of: typeof windows, key: "bytes" | "ms") =>
    of.map((window) => window[key] / 1000).sort((a, b) => a - b)[Math.floor(of.length / 2)] as number;
  // The first reports find room that later ones have to make.
  const [early, late] = [windows.slice(1, 12), windows.slice(-11)];
  const bytes = [median(early, "bytes"), median(late, "bytes")] as const;
  const times = [median(early, "ms"), median(late, "ms")] as const;
  const shown = (values: readonly number[]) => values.map((value) => value.toFixed(2)).join(" → ");
  process.stdout.write(`a report: ${shown(bytes)} bytes of log, ${shown(times)} ms\n`);
  expect(bytes[1]).toBeLessThan(1.2 * bytes[0]);
  expect(bytes[1]).toBeGreaterThan(0.8 * bytes[0]);
  expect((await client.getSession("s")).processed_files.length).toBe(33_000);
});
