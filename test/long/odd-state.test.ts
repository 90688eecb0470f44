/**
 * Each of the daemon's own files, and every odd shape, with the real daemon. Every pair of the two is tried
 * on a store alone, by odd-state.test.ts of the store.
 */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { follow, oddStates, putOdd } from "../store/directory/odd-state.ts";
import { type DaemonProcess, startDaemon } from "../support/daemon-process.ts";
import { tempDir } from "../support/temp-dir.ts";

/** The directory of a daemon that was killed with a worker attached and a report that no file holds. */
async function killedDaemon(): Promise<string> {
  const first = await startDaemon({ config: "storage: { max_lag: 10min }\n" });
  for (const id of ["a", "b"])
    await first.client.createSession({ session_id: id, config: { target_path: "x" } });
  await first.client.deleteSession("b");
  const daemon = await first.restart();
  const worker = await daemon.client.attach("a");
  await worker.report({ processed: ["f"] });
  daemon.kill("SIGKILL");
  await daemon.exited;
  await worker.detach().catch(() => {});
  return daemon.sessionsDir;
}

async function startAtLast(dir: string): Promise<DaemonProcess> {
  for (let refusals = 0; ; refusals++) {
    const daemon = await startDaemon({ dir }).catch((error: Error) => error.message);
    if (typeof daemon !== "string") return daemon;
    expect(daemon).toContain('{"code":1,"signal":null}');
    expect(refusals).toBeLessThan(2);
    follow(daemon);
  }
}

/** The step has no divisor in common with the number of shapes, so that each shape is among them. */
const step = 7;

test.each(oddStates.filter((_, index) => index % step === 0))(
  "%s as %s",
  async (file, shape) => {
    const dir = join(await tempDir(), "copy");
    cpSync(await killedDaemon(), dir, { recursive: true });
    putOdd(dir, file, shape);
    const { client, stderr } = await startAtLast(dir);
    const { processed_files } = await client.getSession("a");
    const { problems } = await client.getHealth();
    if (!processed_files.includes("f")) expect(problems.map(({ code }) => code)).toContain("journal_damaged");
    await client.createSession({ session_id: "c", config: { target_path: "x" } });
    const worker = await client.attach("c");
    await worker.report({ processed: ["x"] });
    await worker.detach();
    await client.listTrash();
    await client.getCleanup();
    await client.getCleanupHistory();
    expect(stderr()).not.toMatch(/this is a bug|EISDIR(?!.*moved)/);
  },
  60_000,
);
