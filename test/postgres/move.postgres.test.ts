/** A large session moves from one host to another at once. */
import { describe, expect, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { testDatabase, withoutPostgres } from "../support/postgres/database.ts";

const config = { target_path: "/src" };

describe.skipIf(withoutPostgres())("a session", () => {
  test("of 100,000 files that is paused on one host goes on on another at once", async () => {
    const { url } = await testDatabase();
    const [first, second] = [
      (await startDaemon({ storage: { postgres: url } })).client,
      (await startDaemon({ storage: { postgres: url } })).client,
    ];
    const pending_files = Array.from({ length: 100_000 }, (_, number) => `src/module-${number}/index.ts`);
    await first.createSession({ session_id: "s", config, pending_files });
    let next = 0;
    const tookMs: number[] = [];
    const hosts = [first, second, first, second, first, second];
    for (const [index, host] of hosts.slice(0, -1).entries()) {
      const worker = await host.attach("s");
      const files = pending_files.slice(next, next + 1000);
      await worker.report({ processed: files, results: Object.fromEntries(files.map((file) => [file, 1])) });
      next += 1000;
      await worker.detach();
      const began = performance.now();
      await host.pauseSession("s");
      const other = hosts[index + 1] as typeof first;
      await other.resumeSession("s");
      const successor = await other.attach("s");
      tookMs.push(Math.round(performance.now() - began));
      expect(successor.session.pending_files.length).toBe(100_000 - next);
      expect(successor.session.processed_files.slice(-2)).toEqual(files.slice(-2));
      await successor.detach();
    }
    process.stdout.write(`pause on one host, resume and attach on another: ${tookMs.join(", ")} ms\n`);
    // Half a second where nothing else uses the machine: the bound is for a move that loads each file anew.
    expect(Math.min(...tookMs)).toBeLessThan(5000);
  });
});
