import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { systemClock } from "../../src/time/clock.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface RunningDaemon {
  socketPath: string;
  stop(): Promise<void>;
}

/** A daemon in this process, over a real directory and socket. */
export async function startDaemonIn(
  directory: string,
  configFile?: string,
  socket?: string,
): Promise<RunningDaemon> {
  const socketPath = socket ?? join(await tempDir(), "s.sock");
  const sources: ConfigSources = {
    flags: { sessionsDir: directory, socket: socketPath, config: configFile },
    env: {},
    cwd: directory,
  };
  const daemon = await startDaemon({
    config: loadConfig(sources),
    sources,
    clock: systemClock(),
    logger: pino({}, { write: () => {} }),
  });
  onTestFinished(() => daemon.stop());
  return { socketPath, stop: () => daemon.stop() };
}
