/**
 * Puts the parts together. Starting reads from top to bottom; stopping is the same list from the bottom up. Each
 * part that starts pushes its release, so a start that fails halfway gives everything back.
 */
import type { Logger } from "pino";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { changedKeys } from "../config/reload.ts";
import type { ReloadResult } from "../contract/replies.ts";
import { Cleanup } from "../retention/cleanup.ts";
import { type ControlServer, createControlServer } from "../server/control-server.ts";
import { openDirectoryStore } from "../store/directory/directory-store.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { version } from "../version.ts";
import type { InheritedSockets } from "./systemd/service-manager.ts";

/** How long open requests may take after a signal before they are cut off. */
const drainMs = 8000;

export interface DaemonOptions {
  config: Config;
  /** Where the configuration came from, to read it again. */
  sources: ConfigSources;
  clock: Clock;
  logger: Logger;
  /** Sockets to serve in place of those that the configuration names. */
  inherited?: InheritedSockets;
}

export interface Daemon {
  /** Reads the configuration again. @throws ConfigError, and then the old one stays whole */
  reload(): Promise<ReloadResult>;
  /** Refuses new work, finishes what is under way, makes it durable. The same promise however often it is called. */
  stop(): Promise<void>;
  /** Resolves when storage has failed and the process should end, to start again through recovery. */
  readonly failed: Promise<Error>;
}

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, sources, clock, logger, inherited = {} } = options;
  const releases: (() => Promise<void>)[] = [];
  let current = config;

  async function release(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of releases.reverse()) await step().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  async function reload(): Promise<ReloadResult> {
    try {
      return await applyConfig();
    } catch (error) {
      logger.error(`the configuration was refused and the old one stays: ${(error as Error).message}`);
      throw error;
    }
  }

  async function applyConfig(): Promise<ReloadResult> {
    const next = loadConfig(sources);
    if (current.file !== null && next.file === null) {
      const message = "is gone; put it back, or restart sessiond to go on with defaults";
      throw new ConfigError([{ file: current.file, line: null, column: null, key: "", message }]);
    }
    // Against the configuration of the start, not of the last reload: what needs a restart goes on needing it.
    const { restart } = changedKeys(config, next);
    const { live } = changedKeys(current, next);
    logger.level = next.log.level;
    await cleanup.configure(next.cleanup, next.trash);
    server.configure(next.worker);
    current = next;
    logger.info({ applied: live, needs_restart: restart }, "configuration read again");
    return { applied: live, needs_restart: restart };
  }

  let cleanup: Cleanup;
  let server: ControlServer;
  try {
    const store = await openDirectoryStore({
      directory: config.sessionsDir,
      rescanIntervalMs: config.storage.rescanIntervalMs,
      maxLagMs: config.storage.maxLagMs,
      clock,
      logger,
    });
    releases.push(() => store.close());

    const { leases } = store;
    cleanup = new Cleanup({
      store,
      isLeased: (id) => leases.get(id) !== undefined,
      cleanup: config.cleanup,
      trash: config.trash,
      clock,
      logger,
    });
    releases.push(() => cleanup.stop());

    server = createControlServer({
      store,
      cleanup,
      daemon: {
        version,
        startedTime: formatTimestamp(clock.now()),
        sessionsDir: config.sessionsDir,
        configFile: config.file,
        clock,
        reload,
      },
      ...socketsOf(config, inherited),
      limits: config.limits,
      worker: config.worker,
      logger,
    });
    releases.push(() => server.close(drainMs));
    await server.listen();

    // Last, because catching up may take a while and clients need not wait for it.
    await cleanup.start();

    let stopped: Promise<void> | undefined;
    return {
      reload,
      failed: store.failed,
      stop() {
        stopped ??= release();
        return stopped;
      },
    };
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
}

function socketsOf({ socket }: Config, inherited: InheritedSockets) {
  const { path, mode, group, readOnlyPath, readOnlyMode = 0o600, readOnlyGroup } = socket;
  const control = { path, mode, ...(group === undefined ? {} : { group }), descriptor: inherited.control };
  const readOnlySocket = {
    path: readOnlyPath ?? "the socket for reading",
    mode: readOnlyMode,
    ...(readOnlyGroup === undefined ? {} : { group: readOnlyGroup }),
    descriptor: inherited.readOnly,
  };
  const isWanted = readOnlyPath !== undefined || inherited.readOnly !== undefined;
  return { socket: control, readOnlySocket: isWanted ? readOnlySocket : undefined };
}
