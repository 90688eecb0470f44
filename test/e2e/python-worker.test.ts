/** The worker in Python that docs/small-workers.md shows, against the real daemon. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");
const program = join(root, "examples/worker.py");
const source = readFileSync(program, "utf8");

test("docs/small-workers.md shows the worker that is tested here", () => {
  const shown = /```python\n(.*?)```/s.exec(readFileSync(join(root, "docs/small-workers.md"), "utf8"))?.[1];
  expect(shown).toBe(source);
});

const python = ["python3", "/usr/bin/python3"].find(
  (command) => spawnSync(command, ["--version"]).status === 0,
);
if (python === undefined && process.env.CI_RUN === "1") throw new Error("these tests need python3");

describe.skipIf(python === undefined)("a worker in Python (needs python3)", () => {
  it("reports each pending file, also while the daemon is killed and starts again", async () => {
    let daemon = await startDaemon();
    const { directory, files } = await sourceFiles(300);
    await create(daemon, files);
    const worker = startPython(daemon.socket, directory);
    for (const moment of [50, 150]) {
      await eventually(async () => {
        const { processed_count } = await daemon.client.getSummary("a");
        expect(processed_count).toBeGreaterThan(moment);
      });
      daemon.kill("SIGKILL");
      await daemon.exited;
      daemon = await daemon.restart();
    }
    expect(await worker).toEqual({ code: 0, stderr: "" });
    const stored = await daemon.client.getSession("a");
    expect(stored).toMatchObject({ status: "running", processed_files: files, pending_files: [] });
    expect(stored.partial_results["7.txt"]).toEqual({ lines: 7 });
    expect(stored.partial_results["missing.txt"]).toMatchObject({
      error: expect.stringContaining("missing.txt"),
    });
    expect((await daemon.client.getSummary("a")).workers).toEqual([]);
  }, 60_000);

  it("stops and detaches when somebody pauses the session", async () => {
    const daemon = await startDaemon({ config: "worker: { reattach_grace: 1h }\n" });
    const { directory } = await sourceFiles(0);
    const files = Array.from({ length: 2000 }, (_, at) => `missing-${at}.txt`);
    await create(daemon, files);
    const worker = startPython(daemon.socket, directory);
    await eventually(async () =>
      expect((await daemon.client.getSummary("a")).processed_count).toBeGreaterThan(10),
    );
    await daemon.client.pauseSession("a");
    expect(await worker).toEqual({ code: 1, stderr: "stopped: the session is paused\n" });
    // It has detached: nobody need wait for a lost worker.
    await eventually(async () => expect((await daemon.client.getSummary("a")).workers).toEqual([]));
    expect((await daemon.client.getSummary("a")).pending_count).toBeGreaterThan(0);
  });

  it("is told why it may not attach", async () => {
    const daemon = await startDaemon();
    const { directory, files } = await sourceFiles(1);
    expect(await startPython(daemon.socket, directory)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no session "a"'),
    });
    await create(daemon, files);
    await using _worker = await daemon.client.attach("a", { worker: "first" });
    expect(await startPython(daemon.socket, directory)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("first"),
    });
  });

  it("sends messages of every length", async () => {
    const daemon = await startDaemon();
    const { directory } = await sourceFiles(0);
    const files = [1, 20, 30, 50, 200, 33_000].map((length) => "é".repeat(length));
    await create(daemon, files);
    expect(await startPython(daemon.socket, directory)).toMatchObject({ code: 0 });
    expect((await daemon.client.getSession("a")).processed_files).toEqual(files);
  });
});

/** Files of as many lines as their name says, and one that is not there. */
async function sourceFiles(count: number): Promise<{ directory: string; files: string[] }> {
  const directory = join(await tempDir(), "files");
  await mkdir(directory);
  const lines = Array.from({ length: count }, (_, at) => at);
  await Promise.all(lines.map((at) => writeFile(join(directory, `${at}.txt`), "line\n".repeat(at))));
  return { directory, files: [...lines.map((at) => `${at}.txt`), "missing.txt"] };
}

async function create({ client }: DaemonProcess, files: readonly string[]): Promise<void> {
  await client.createSession({ session_id: "a", config: { target_path: "." }, pending_files: files });
}

async function startPython(socket: string, cwd: string): Promise<{ code: number; stderr: string }> {
  const child = spawn(python as string, [program, socket, "a"], {
    cwd,
    stdio: ["ignore", "inherit", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [[code], stderr] = await Promise.all([once(child, "close"), text(child.stderr)]);
  return { code, stderr };
}
