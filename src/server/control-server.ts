import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Cleanup } from "../retention/cleanup.ts";
import type { SessionStore } from "../store/session-store.ts";
import { createApp } from "./app.ts";
import type { WorkerOptions } from "./channel/options.ts";
import { takeUpgrades } from "./channel/upgrade.ts";
import { Workers } from "./channel/workers.ts";
import { EventStreams } from "./events/event-streams.ts";
import type { LimitsOptions } from "./options.ts";
import { backupHandlers } from "./routes/backups.ts";
import { cleanupHandlers } from "./routes/cleanup.ts";
import { type DaemonFacts, daemonHandlers } from "./routes/daemon.ts";
import { progressHandlers } from "./routes/progress.ts";
import { sessionHandlers } from "./routes/sessions.ts";
import { trashHandlers } from "./routes/trash.ts";
import { type ClaimedSocket, claimSocket, type SocketSettings } from "./socket/claim-socket.ts";
import { Connections } from "./socket/connections.ts";
import { connectionLimit } from "./socket/descriptors.ts";

export type { DaemonFacts };

export interface ControlServerOptions {
  store: SessionStore;
  cleanup: Cleanup;
  daemon: DaemonFacts;
  socket: SocketSettings;
  /** A second socket, which changes nothing. */
  readOnlySocket?: SocketSettings | undefined;
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
/** How long a connection that the last process accepted may take to send the request that it was made for. */
const silenceMs = 1000;
const dropReportIntervalMs = 10_000;

/** A socket with what answers behind it. */
interface Door {
  app: ReturnType<typeof createApp>;
  settings: SocketSettings;
  connections: Connections;
  claimed: ClaimedSocket | undefined;
}

export function createControlServer(options: ControlServerOptions): ControlServer {
  const { store, cleanup, daemon, socket, readOnlySocket, limits, worker, logger } = options;
  let draining = false;
  let refusing = false;
  let closed: Promise<void> | undefined;

  const { bodyBytes, depth } = limits;
  const { clock } = daemon;
  const events = new EventStreams({ store, clock, logger });
  const onWorker = events.worker.bind(events);
  const channel = new Workers({ store, worker, bodyBytes, depth, clock, onWorker, logger });
  const handlers = {
    ...sessionHandlers(store, channel),
    ...progressHandlers(store),
    ...backupHandlers(store),
    ...cleanupHandlers(cleanup),
    ...trashHandlers(store),
    ...daemonHandlers({ store, cleanup, daemon, socketPath: socket.path, channel }),
  };
  const door = (settings: SocketSettings, readOnly: boolean): Door => {
    const upgrades = new EventEmitter();
    const app = createApp({
      handlers,
      ...(readOnly ? {} : { channel: { channel, upgrades } }),
      events,
      limits,
      logger,
      readOnly,
      draining: () => draining,
      refusing: () => refusing,
    });
    const connections = new Connections(app.server);
    if (!readOnly) takeUpgrades(app.server, connections, upgrades);
    return { app, settings, connections, claimed: undefined };
  };
  const doors = [door(socket, false), ...(readOnlySocket === undefined ? [] : [door(readOnlySocket, true)])];
  const open = () => sum(doors, ({ connections }) => connections.size);

  async function listen(): Promise<void> {
    const limit = Math.floor(connectionLimit(limits.connections * doors.length) / doors.length);
    if (limit < limits.connections) {
      logger.warn(
        { connections: limit, wanted: limits.connections },
        "the limit of open files allows fewer connections than limits.connections: raise it (ulimit -n, LimitNOFILE)",
      );
    }
    for (const { app } of doors) await app.ready();
    // The control socket last: it is what others take for the daemon.
    for (const door of doors.toReversed()) {
      const { server } = door.app;
      server.maxConnections = limit;
      reportDrops(server, logger);
      door.claimed = await claimSocket(server, door.settings);
      // Such as EMFILE while accepting: one connection is lost, the server goes on.
      server.on("error", (error) => logger.error({ err: error }, "the control socket reported an error"));
    }
    await channel.listen();
  }

  async function drainAndClose(deadlineMs: number): Promise<void> {
    draining = true;
    const inherited = doors.some(({ settings }) => settings.descriptor !== undefined);
    // Where the next process answers those who come later, whoever was let in before is still served.
    refusing = !inherited;
    for (const { claimed } of doors) claimed?.release();
    // Also without connections: some may wait to be accepted, and are owed an answer.
    await sleep(open() === 0 ? 0 : Math.min(graceMs, deadlineMs));
    if (inherited) await silenceEnds(Math.min(silenceMs, deadlineMs));
    refusing = true;
    channel.drain();
    events.drain();
    const ended = doors.map(({ app }) => app.close());
    for (const { connections } of doors) connections.drain();
    const deadline = setTimeout(() => {
      logger.warn({ connections: open() }, "cutting off connections that did not end in time");
      for (const { connections } of doors) connections.destroy();
    }, deadlineMs);
    await Promise.all(ended).finally(() => clearTimeout(deadline));
    events.close();
    await channel.close();
  }

  async function silenceEnds(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while (performance.now() < end && doors.some(({ connections }) => connections.silent > 0)) await sleep(5);
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

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
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
