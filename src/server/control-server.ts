import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Cleanup } from "../retention/cleanup.ts";
import type { SessionStore } from "../store/session-store.ts";
import { createApp } from "./app.ts";
import { WorkerChannel } from "./channel/channel.ts";
import type { WorkerOptions } from "./channel/options.ts";
import { takeUpgrades } from "./channel/upgrade.ts";
import { type ClaimedSocket, claimSocket, type SocketSettings } from "./claim-socket.ts";
import { Connections } from "./connections.ts";
import { connectionLimit } from "./descriptors.ts";
import type { LimitsOptions } from "./options.ts";
import { backupHandlers } from "./routes/backups.ts";
import { cleanupHandlers } from "./routes/cleanup.ts";
import { type DaemonFacts, daemonHandlers } from "./routes/daemon.ts";
import { progressHandlers } from "./routes/progress.ts";
import { sessionHandlers } from "./routes/sessions.ts";
import { trashHandlers } from "./routes/trash.ts";

export type { DaemonFacts };

export interface ControlServerOptions {
  store: SessionStore;
  cleanup: Cleanup;
  daemon: DaemonFacts;
  socket: SocketSettings;
  limits: LimitsOptions;
  worker: WorkerOptions;
  logger: Logger;
}

export interface ControlServer {
  /** @throws SessiondError `socket_in_use`, or `invalid_request` if the socket cannot be made as it was asked for */
  listen(): Promise<void>;
  /** Puts other options in force, also for workers that are lost already. */
  configure(worker: WorkerOptions): void;
  /**
   * Refuses new requests, finishes those under way, tells workers to come back later, and cuts off what is left after
   * `deadlineMs`.
   * Nothing of the server is open when it resolves.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Clients on connections that they keep are told to go; a connection closed under their hands would look like a crash. */
const graceMs = 100;
const dropReportIntervalMs = 10_000;

export function createControlServer(options: ControlServerOptions): ControlServer {
  const { store, cleanup, daemon, socket, limits, worker, logger } = options;
  let draining = false;
  let claimed: ClaimedSocket | undefined;
  let closed: Promise<void> | undefined;

  const { bodyBytes, depth } = limits;
  const channel = new WorkerChannel({ store, worker, bodyBytes, depth, clock: daemon.clock, logger });
  const upgrades = new EventEmitter();
  const app = createApp({
    handlers: {
      ...sessionHandlers(store, channel),
      ...progressHandlers(store),
      ...backupHandlers(store),
      ...cleanupHandlers(cleanup),
      ...trashHandlers(store),
      ...daemonHandlers({ store, cleanup, daemon, socketPath: socket.path, channel }),
    },
    channel,
    upgrades,
    limits,
    logger,
    draining: () => draining,
  });
  const connections = new Connections(app.server);
  takeUpgrades(app.server, connections, upgrades);

  async function listen(): Promise<void> {
    await app.ready();
    const limit = connectionLimit(limits.connections);
    if (limit < limits.connections) {
      logger.warn(
        { connections: limit, wanted: limits.connections },
        "the limit of open files allows fewer connections than limits.connections: raise it (ulimit -n, LimitNOFILE)",
      );
    }
    app.server.maxConnections = limit;
    reportDrops(app.server, logger);
    claimed = await claimSocket(app.server, socket);
    // Such as EMFILE while accepting: one connection is lost, the server goes on.
    app.server.on("error", (error) => logger.error({ err: error }, "the control socket reported an error"));
    channel.listen();
  }

  async function drainAndClose(deadlineMs: number): Promise<void> {
    draining = true;
    claimed?.release();
    // Also without connections: some may wait to be accepted, and are owed an answer.
    await sleep(connections.size === 0 ? 0 : Math.min(graceMs, deadlineMs));
    channel.drain();
    const ended = app.close();
    connections.drain();
    const deadline = setTimeout(() => {
      logger.warn({ connections: connections.size }, "cutting off connections that did not end in time");
      connections.destroy();
    }, deadlineMs);
    await ended.finally(() => clearTimeout(deadline));
    await channel.close();
  }

  return {
    listen,
    configure: (next) => channel.configure(next),
    close: (deadlineMs) => {
      closed ??= drainAndClose(deadlineMs);
      return closed;
    },
  };
}

/** Whoever is turned away sees only a closed connection: the reason is for the log, at most every ten seconds. */
function reportDrops(
  server: { on(event: "drop", listener: () => void): unknown; maxConnections: number },
  logger: Logger,
): void {
  let reported = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() - reported < dropReportIntervalMs) return;
    reported = performance.now();
    logger.warn({ connections: server.maxConnections }, "too many connections: refusing new ones");
  });
}
