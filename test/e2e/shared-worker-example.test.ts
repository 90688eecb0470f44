/** The shared worker that docs/worker.md shows, as several processes on one session. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { expect, it, test } from "vitest";
import type { SessionSummaryAndHealth } from "../../src/contract/replies.ts";
import { startDaemon, startProgram } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");

test("docs/worker.md shows the shared worker that is tested here", () => {
  const shown = readFileSync(join(root, "docs/worker.md"), "utf8");
  const source = readFileSync(join(root, "examples/shared-worker.ts"), "utf8");
  expect(shown).toContain(`\`\`\`ts\n${source.replace("../src/client/index.ts", "sessiond")}\`\`\``);
});

it("works on each file once beside others, while a worker and the daemon are killed", async () => {
  let daemon = await startDaemon();
  const directory = join(await tempDir(), "files");
  await mkdir(directory);
  const files = Array.from({ length: 400 }, (_, at) => `${at}.txt`);
  await Promise.all(files.map((file) => writeFile(join(directory, file), "one\ntwo")));
  // Whoever has one of these is busy until the test writes to it. A worker takes four at a time, so that the
  // second worker has one, too.
  const slow = Array.from({ length: 5 }, (_, at) => `slow-${at}.txt`);
  execFileSync("mkfifo", slow, { cwd: directory });
  await daemon.client.createSession({
    session_id: "lines",
    config: { target_path: "." },
    pending_files: [...slow, ...files],
  });
  const start = () =>
    startProgram(join(root, "dist/examples/shared-worker.js"), ["lines"], {
      cwd: directory,
      env: { SESSIOND_SOCKET: daemon.socket },
    });
  const summarised = (check: (summary: SessionSummaryAndHealth) => void) =>
    eventually(async () => check(await daemon.client.getSummary("lines")));
  const [first, killed] = await Promise.all([start(), start()]);
  await summarised(({ workers, processed_count }) => {
    expect(workers.filter(({ claimed }) => claimed > 0)).toHaveLength(2);
    expect(processed_count).toBeGreaterThan(0);
  });
  killed.kill("SIGKILL");
  daemon.kill("SIGKILL");
  await daemon.exited;
  daemon = await daemon.restart();
  const later = await start();
  await summarised(({ workers, pending_count }) => {
    expect(workers).toHaveLength(2);
    expect(pending_count).toBe(slow.length);
  });
  for (const file of slow) await writeFile(join(directory, file), "one");
  for (const { exited, stderr } of [first, later]) {
    expect(await exited, stderr()).toEqual({ code: 0, signal: null });
  }
  const session = await daemon.client.getSession("lines");
  expect(session).toMatchObject({ status: "completed", pending_files: [] });
  expect([...session.processed_files].sort()).toEqual([...files, ...slow].sort());
  expect(session.partial_results["7.txt"]).toEqual({ lines: 2 });
  for (const { stdout } of [first, later])
    expect(stdout()).toMatch(/^\d+ files here, (all done|completed)\n$/);
  expect((await daemon.client.getSummary("lines")).workers).toEqual([]);
}, 30_000);
