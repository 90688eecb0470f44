/** A daemon in this process, for all that needs no process of its own. */
import { join } from "node:path";
import { pino } from "pino";
import { onTestFinished } from "vitest";
import { type ConfigSources, loadConfig } from "../../src/config/load.ts";
import { startDaemon } from "../../src/daemon/daemon.ts";
import { systemBootTime } from "../../src/time/boot-time.ts";
import { systemClock } from "../../src/time/clock.ts";
import { tempDir } from "../support/temp-dir.ts";

export interface RunningDaemon {
  socketPath: string;
  /** The lines of its log so far. */
  log(): string;
  /** As the signal does. @throws ConfigError */
  reload(): Promise<unknown>;
  stop(): Promise<void>;
}

/** Serves a real directory on a real socket. */
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
  const config = loadConfig(sources);
  const lines: string[] = [];
  const logger = pino({ level: config.log.level }, { write: (line: string) => void lines.push(line) });
  const daemon = await startDaemon({
    config,
    sources,
    clock: systemClock(),
    bootTime: systemBootTime(),
    logger,
  });
  onTestFinished(() => daemon.stop());
  return {
    socketPath,
    log: () => lines.join(""),
    reload: () => daemon.reload(),
    stop: () => daemon.stop(),
  };
}
