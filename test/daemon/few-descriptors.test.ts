/** The programs start with few open files: their bundles load few modules at the same time. */
import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { startDaemon } from "../support/daemon-process.ts";

const run = promisify(execFile);
/** Runs what follows with this many descriptors. */
const fewDescriptors = ["sh", "-c", 'ulimit -n 32 && exec "$@"', "sh"] as const;

test("sessiond serves with 32 open files", async () => {
  const daemon = await startDaemon({ wrap: fewDescriptors });
  await daemon.client.createSession({ session_id: "s", config: { target_path: "/src" } });
  expect(await daemon.client.getStats()).toMatchObject({ total: 1 });
});

test("sessionctl talks to a daemon with 32 open files", async () => {
  const daemon = await startDaemon();
  const [command, ...args] = [
    ...fewDescriptors,
    process.execPath,
    resolve("dist/sessionctl.js"),
    ...["--socket", daemon.socket, "--version"],
  ] as [string, ...string[]];
  const { stdout } = await run(command, args);
  expect(stdout).toContain(`sessiond   ${manifest.version}`);
});
