/** A daemon that measures its own stalls; stall-probe.mjs says how. */
import { readFile, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type DaemonOptions, type DaemonProcess, startDaemon } from "./daemon-process.ts";
import { eventually } from "./eventually.ts";
import { tempDir } from "./temp-dir.ts";

const probe = resolve(import.meta.dirname, "stall-probe.mjs");

export interface MeasuredDaemon extends DaemonProcess {
  /** The longest stall while the work is under way, in milliseconds of processor time. */
  longestStall(work: () => Promise<unknown>): Promise<number>;
}

export async function startMeasured(options: DaemonOptions = {}): Promise<MeasuredDaemon> {
  const file = join(await tempDir(), "stall");
  const env = { ...options.env, NODE_OPTIONS: `--import=${probe}`, STALL_FILE: file };
  const daemon = await startDaemon({ ...options, env });
  const stall = async () => {
    await rm(file, { force: true });
    daemon.kill("SIGUSR2");
    return eventually(async () => Number(await readFile(file, "utf8")));
  };
  return {
    ...daemon,
    async longestStall(work) {
      await stall();
      await work();
      return stall();
    },
  };
}
