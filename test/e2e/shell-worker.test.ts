/** The shared worker in shell that docs/small-workers.md shows, against the real daemon. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

const root = resolve(import.meta.dirname, "../..");
const program = join(root, "examples/worker.sh");

test("docs/small-workers.md shows the worker that is tested here", () => {
  const shown = /```bash\n(.*?)```/s.exec(readFileSync(join(root, "docs/small-workers.md"), "utf8"))?.[1];
  expect(shown).toBe(readFileSync(program, "utf8"));
});

const isMissing = ["socat", "jq"].some((command) => spawnSync(command, ["-h"]).error !== undefined);
if (isMissing && process.env.CI_RUN === "1") throw new Error("these tests need socat and jq");

describe.skipIf(isMissing)("a shared worker in shell (needs socat and jq)", () => {
  it("shares the files with others, and goes on with those of one that was killed", async () => {
    const daemon = await startDaemon({ config: "worker: { reattach_grace: 100ms }\n" });
    const cwd = await tempDir();
    await writeFile(join(cwd, "two lines"), "1\n2\n");
    const files = ["two lines", 'qu"ote\\', "-n", "日本", "missing"];
    const id = "shared/ä";
    await daemon.client.createSession({ session_id: id, config: { target_path: "." }, pending_files: files });
    // It claims a file and does nothing else, as a worker that hangs.
    const hung = await daemon.client.attach(id, { shared: true, worker: "hung" });
    await hung.claim(1);
    const worker = startShell(daemon.socket, cwd, id);
    await eventually(async () => expect((await daemon.client.getSummary(id)).processed_count).toBe(4));
    const { workers } = await daemon.client.getSummary(id);
    expect(workers.map(({ name }) => name).sort()).toEqual(["hung", "sh"]);
    await daemon.client.evict(id, hung.epoch);
    expect(await worker).toEqual({ code: 0, stderr: "" });
    const { processed_files, partial_results } = await daemon.client.getSession(id);
    expect([...processed_files].sort()).toEqual([...files].sort());
    expect(partial_results["two lines"]).toEqual({ exit_code: 0, output: "2 two lines" });
    expect(partial_results.missing).toMatchObject({ exit_code: 1 });
    expect((await daemon.client.getSummary(id)).workers).toEqual([]);
  });

  it("says why it may not attach, and why it was ended", async () => {
    const daemon = await startDaemon();
    const cwd = await tempDir();
    expect(await startShell(daemon.socket, cwd, "none")).toEqual({
      code: 1,
      stderr: 'there is no session "none"\n',
    });
    await daemon.client.createSession({
      session_id: "a",
      config: { target_path: "." },
      pending_files: ["f"],
    });
    const other = await daemon.client.attach("a", { shared: true });
    await other.claim(1);
    const worker = startShell(daemon.socket, cwd, "a");
    await eventually(async () => expect((await daemon.client.getSummary("a")).workers).toHaveLength(2));
    await daemon.client.deleteSession("a", { force: true });
    expect(await worker).toMatchObject({ code: 1, stderr: expect.stringContaining("deleted") });
  });
});

/** Resolves when the worker has ended. */
async function startShell(
  socket: string,
  cwd: string,
  id: string,
): Promise<{ code: number; stderr: string }> {
  // A group of its own, so that all of its processes end with the test.
  const child = spawn(program, [socket, id], { cwd, stdio: ["ignore", "ignore", "pipe"], detached: true });
  onTestFinished(() => killGroup(child));
  const [[code], stderr] = await Promise.all([once(child, "close"), text(child.stderr)]);
  return { code, stderr };
}

function killGroup({ pid }: ChildProcess): void {
  try {
    process.kill(-(pid as number), "SIGKILL");
  } catch {
    // All of them have ended.
  }
}
