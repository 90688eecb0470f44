/**
 * The order in which the parts of the daemon start: the store, the server, the schedules of cleanup. They
 * stop in another order: the server first, then cleanup, then the store. A start that fails halfway stops
 * what has started. Knows nothing of arguments and signals: these are for sessiond.ts.
 *
 * The room daemon/ owns the process: configuration, start order, signals, the log. It puts the parts
 * together and does no work of theirs.
 */
import { existsSync } from "node:fs";
import type { Logger } from "pino";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { userConfigFile } from "../config/on-demand.ts";
import { ConfigError } from "../config/problem.ts";
import { changedKeys } from "../config/reload.ts";
import type { ReloadResult } from "../contract/replies.ts";
import { choosePlace } from "../personal/socket-place.ts";
import { Cleanup } from "../retention/cleanup.ts";
import { type ControlServer, createControlServer, type LogFacts } from "../server/control-server.ts";
import { assertSocketFree } from "../server/socket/claim-socket.ts";
import { Uptime } from "../server/uptime.ts";
import { openStore } from "../store/open-store.ts";
import type { BootTime } from "../time/boot-time.ts";
import { type Clock, formatTimestamp } from "../time/clock.ts";
import { version } from "../version.ts";
import { cleanupNotices } from "./cleanup-notice.ts";
import { watchIdle } from "./idle.ts";
import { ServingNote, type StopCause } from "./serving-note.ts";
import type { InheritedSockets } from "./systemd/service-manager.ts";

/** Where settings can be made, where no file has been read. */
const newConfigFile = "a file of your own, given with --config";

/** How long open requests may go on after a signal before they are cut off. */
const drainMs = 8000;

export interface DaemonOptions {
  config: Config;
  /** Where the configuration was read, for a reload. */
  sources: ConfigSources;
  clock: Clock;
  bootTime: BootTime;
  logger: Logger;
  /** How the log fares. By default nothing is known of it. */
  log?: LogFacts;
  /** Sockets opened by systemd. They replace those of the configuration. */
  inherited?: InheritedSockets;
  /** For a daemon on demand: when it ends, and the environment that has the places for its socket. */
  onDemand?: { idleExitMs: number; env: NodeJS.ProcessEnv };
}

export interface Daemon {
  /**
   * Reads the configuration again.
   *
   * @throws ConfigError, in which case the old one stays in force as a whole
   */
  reload(): Promise<ReloadResult>;
  /**
   * Refuses new requests, finishes open ones and writes everything to disk. Every call returns the same
   * promise.
   */
  stop(why?: StopCause): Promise<void>;
  /** The path of the socket. */
  readonly socket: string;
  /** Where the sessions are, for people: the path of a directory, or the URL of a database. */
  readonly location: string;
  /**
   * Resolves when a daemon on demand should stop: a client asks for it, or nobody has used it for a while.
   */
  readonly unneeded: Promise<"asked" | "idle">;
  /** Resolves when the storage has failed. The process must then exit, as only a restart recovers safely. */
  readonly failed: Promise<Error>;
}

export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { config, sources, clock, bootTime, logger, log, inherited = {}, onDemand } = options;
  let endAs: (why: "asked" | "idle") => void = () => {};
  const unneeded = new Promise<"asked" | "idle">((resolve) => {
    endAs = resolve;
  });
  const releases: (() => Promise<void>)[] = [];
  let current = config;
  let stopCause: StopCause = "failed";

  async function release(): Promise<void> {
    const errors: unknown[] = [];
    for (const step of releases.reverse()) await step().catch((error: unknown) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }

  async function reload(): Promise<ReloadResult> {
    try {
      return await applyConfig();
    } catch (error) {
      logger.error(`reload failed, the old configuration stays in force: ${(error as Error).message}`);
      throw error;
    }
  }

  async function applyConfig(): Promise<ReloadResult> {
    const next = loadConfig(sources);
    if (current.file !== null && next.file === null) {
      const message = "no longer exists; restore the file, or restart sessiond to use the defaults";
      throw new ConfigError([{ file: current.file, line: null, column: null, key: "", message }]);
    }
    // Compared with the start, not with the last reload: such a key needs a restart until there is one.
    const { restart } = changedKeys(config, next);
    const { live } = changedKeys(current, next);
    logger.level = next.log.level;
    await cleanup.configure(next.cleanup, next.trash);
    server.configure(next.worker);
    current = next;
    logger.info({ applied: live, needs_restart: restart }, "configuration reloaded");
    return { applied: live, needs_restart: restart };
  }

  let cleanup: Cleanup;
  let server: ControlServer;
  try {
    const { storage, socket } = config;
    // On a database, a daemon takes over from an earlier one with the same socket: that must have ended.
    if (storage.kind === "postgres" && inherited.control === undefined) await assertSocketFree(socket.path);
    const store = await openStore({ storage, instance: socket.path, clock, logger });
    releases.push(() => store.close());
    const { kind, location } = await store.facts();
    const sockets = socketsOf(config, inherited);
    if (onDemand !== undefined) sockets.socket.path = await choosePlace(location, onDemand.env);

    cleanup = new Cleanup({
      store,
      cleanup: config.cleanup,
      trash: config.trash,
      bootTime,
      logger,
    });
    releases.push(() => cleanup.stop());

    const uptime = new Uptime(clock, bootTime);
    server = createControlServer({
      store,
      cleanup,
      daemon: {
        version,
        uptime,
        log,
        configFile: config.file,
        onDemand: onDemand && { idleExitMs: onDemand.idleExitMs, stop: () => endAs("asked") },
        clock,
        reload,
      },
      ...sockets,
      limits: config.limits,
      worker: config.worker,
      logger,
    });
    releases.push(() => server.close(drainMs, { serveAccepted: stopCause === "idle" }));
    await server.listen();

    if (kind === "directory") {
      const note = new ServingNote(location, logger);
      note.begin({
        pid: process.pid,
        version,
        socket: sockets.socket.path,
        started_time: uptime.startedTime,
        on_demand: onDemand !== undefined,
      });
      releases.push(async () => note.end(stopCause, formatTimestamp(clock.now())));
    }
    if (onDemand !== undefined) {
      const stopWatching = watchIdle({
        idleMs: onDemand.idleExitMs,
        connections: () => server.connections(),
        isLeased: async () => (await store.leases.all()).length > 0,
        isInPlace: () => existsSync(location),
        onIdle: () => endAs("idle"),
      });
      releases.push(async () => stopWatching());
    }

    // Last, because missed runs may take a while and clients need not wait for them.
    const settingsFile = config.file ?? (onDemand && userConfigFile(onDemand.env)) ?? newConfigFile;
    await cleanup.start((jobs) => {
      for (const notice of cleanupNotices(jobs, settingsFile)) logger.info(notice);
    });

    let stopped: Promise<void> | undefined;
    return {
      reload,
      failed: store.failed,
      socket: sockets.socket.path,
      location,
      unneeded,
      stop(why = "asked") {
        if (stopped === undefined) {
          stopCause = why;
          stopped = release();
        }
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
    path: readOnlyPath ?? "the read-only socket",
    mode: readOnlyMode,
    ...(readOnlyGroup === undefined ? {} : { group: readOnlyGroup }),
    descriptor: inherited.readOnly,
  };
  const isWanted = readOnlyPath !== undefined || inherited.readOnly !== undefined;
  return { socket: control, readOnlySocket: isWanted ? readOnlySocket : undefined };
}
