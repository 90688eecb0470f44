/** A disk on which the journal has room for one segment only. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { canMount } from "../e2e/capability.ts";
import { config, expectFull, fill, kib, longLag, smallDisk } from "../e2e/small-disk.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";

const isSegment = (name: string) => name.endsWith(".log");

function journalBytes(dir: string): number {
  const journal = join(dir, ".sessiond", "journal");
  const names = readdirSync(journal).filter(isSegment);
  return names.reduce((sum, name) => sum + statSync(join(journal, name)).size, 0);
}

test.skipIf(!canMount())(
  "a journal that cannot begin its next segment refuses reports, and goes on with it later",
  async () => {
    const disk = await smallDisk("160m");
    const dir = join(disk, "sessions");
    let daemon = await startDaemon({ dir, config: longLag });
    await daemon.client.createSession({ session_id: "a", config });
    // Waits for its file all the time, so that the segment is needed even when "a" happens to be written.
    await daemon.client.createSession({ session_id: "behind", config });
    await daemon.client.reportProgress("behind", { processed: ["y"] });
    const blob = "x".repeat(1024 * kib);
    const segments = () => readdirSync(join(dir, ".sessiond", "journal")).filter(isSegment);
    let last = 0;
    const report = async () => {
      await daemon.client.reportProgress("a", { results: { blob, last: last + 1 } });
      last++;
    };
    // Each in the place of the one before it, so that the session stays small.
    while (journalBytes(dir) <= 64 * 1024 * kib) await report();
    expect(segments()).toHaveLength(1);
    fill(join(disk, "ballast"));
    for (let attempt = 0; attempt < 3; attempt++) await expectFull(report());
    expect((await daemon.client.getSession("a")).partial_results.last).toBe(last);
    rmSync(join(disk, "ballast"));
    await report();
    await report();
    daemon.kill("SIGKILL");
    daemon = await daemon.restart();
    expect((await daemon.client.getSession("a")).partial_results.last).toBe(last);
    expect(await daemon.client.getHealth()).toEqual({ status: "ok", problems: [] });
    await daemon.client.pauseSession("behind");
    // Nothing needs the first one any more.
    await eventually(() => expect(journalBytes(dir)).toBeLessThan(10 * 1024 * kib));
  },
);
