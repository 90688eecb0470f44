/**
 * The configuration file that is found by default. The daemon runs with an `/etc` that belongs to the test.
 */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { canMount } from "../e2e/capability.ts";
import { startDaemon } from "../support/daemon-process.ts";
import { eventually } from "../support/eventually.ts";
import { tempDir } from "../support/temp-dir.ts";

function withEtc(directory: string): readonly string[] {
  return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', directory];
}

test.skipIf(!canMount())("a file that is gone is no reason to go on with defaults", async () => {
  const etc = await tempDir();
  const file = join(etc, "sessiond", "sessiond.yaml");
  mkdirSync(join(file, ".."));
  writeFileSync(file, "cleanup: { expired: { max_age: 90d } }\n");
  const daemon = await startDaemon({ wrap: withEtc(etc) });
  // A daemon answers before its schedules begin.
  const before = await eventually(async () => {
    const cleanup = await daemon.client.getCleanup();
    expect(cleanup.jobs.map(({ next_run }) => next_run)).not.toContain(null);
    return cleanup;
  });
  expect(before.jobs.find(({ job }) => job === "expired")?.rule).toContain("90d");

  renameSync(file, `${file}.away`);
  await expect(daemon.client.reload()).rejects.toMatchObject({
    code: "invalid_request",
    message: expect.stringContaining("/etc/sessiond/sessiond.yaml"),
  });
  daemon.kill("SIGHUP");
  await eventually(() =>
    expect(daemon.stderr()).toMatch(/old configuration stays in force.*no longer exists; restore the file/),
  );
  expect(await daemon.client.getCleanup()).toEqual(before);

  renameSync(`${file}.away`, file);
  expect(await daemon.client.reload()).toEqual({ applied: [], needs_restart: [] });
});

test.skipIf(!canMount())("a file that was not there at the start is taken in", async () => {
  const etc = await tempDir();
  const daemon = await startDaemon({ wrap: withEtc(etc) });
  mkdirSync(join(etc, "sessiond"));
  writeFileSync(join(etc, "sessiond", "sessiond.yaml"), "cleanup: { expired: { max_age: 90d } }\n");
  expect(await daemon.client.reload()).toMatchObject({ applied: ["cleanup.expired.max_age"] });
});
