/**
 * The server as a whole: its sockets, what they share, and an orderly shutdown. It reads no configuration;
 * the daemon passes the options.
 *
 * The room server/ owns serving the store over sockets. It does not read the configuration file, and never
 * decides what a change means.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "../log.ts";
import type { Cleanup } from "../retention/cleanup.ts";
import type { SessionStore } from "../store/session-store.ts";
import { createApp } from "./app.ts";
import type { WorkerOptions } from "./channel/options.ts";
import { takeUpgrades } from "./channel/upgrade.ts";
import { Workers } from "./channel/workers.ts";
import { EventStreams } from "./events/event-streams.ts";
import { Buffered } from "./http/buffered.ts";
import { LargeRequests } from "./http/large-requests.ts";
import type { LimitsOptions } from "./options.ts";
import { backupHandlers } from "./routes/backups.ts";
import { cleanupHandlers } from "./routes/cleanup.ts";
import { type DaemonFacts, daemonHandlers, type LogFacts, type OnDemand } from "./routes/daemon.ts";
import { progressHandlers } from "./routes/progress.ts";
import { sessionHandlers } from "./routes/sessions.ts";
import { trashHandlers } from "./routes/trash.ts";
import { listedWorkers, workerHandlers } from "./routes/workers.ts";
import { type ClaimedSocket, claimSocket, type SocketSettings } from "./socket/claim-socket.ts";
import { Connections } from "./socket/connections.ts";
import { connectionLimit } from "./socket/descriptors.ts";

export type { DaemonFacts, LogFacts, OnDemand };

export interface ControlServerOptions {
  store: SessionStore;
  cleanup: Cleanup;
  daemon: DaemonFacts;
  socket: SocketSettings;
  /** A second socket that accepts only reads. */
  readOnlySocket?: SocketSettings | undefined;
  limits: LimitsOptions;
  worker: WorkerOptions;
  logger: Logger;
}

export interface ControlServer {
  /**
   * @throws SessiondError `socket_in_use`, or `invalid_request` if the socket cannot be created with these
   * options
   */
  listen(): Promise<void>;
  /** Applies new options, also to workers that are lost already. */
  configure(worker: WorkerOptions): void;
  /**
   * Refuses new requests, finishes open ones, and asks workers to reconnect later. Closes the remaining
   * connections after `deadlineMs` milliseconds. When it resolves, nothing of the server is open.
   *
   * With `serveAccepted`, those who have connected until then are served once more, as after a hand-over of
   * the socket.
   */
  close(deadlineMs: number, options?: { serveAccepted?: boolean }): Promise<void>;
  /** How many connections are open, and how many were accepted since the start. */
  connections(): { open: number; accepted: number };
}

/**
 * During this time open connections are still answered, with the request to close them. A connection that
 * just ended would look like a crash.
 */
const drainMs = 100;
/**
 * How long an accepted connection may take to send its first request when another process takes the socket
 * over.
 */
const silenceMs = 1000;
const reportIntervalMs = 10_000;

/** A socket and the app that serves it. */
interface Listener {
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

  const { clock } = daemon;
  const events = new EventStreams({ store, clock, logger });
  const onWorker = events.worker.bind(events);
  const buffered = new Buffered(limits.bufferedBytes);
  const large = new LargeRequests(limits.bodyBytes);
  const workers = new Workers({ store, worker, limits, buffered, clock, onWorker, logger });
  const handlers = {
    ...sessionHandlers(store, listedWorkers(store, workers)),
    ...workerHandlers(workers),
    ...progressHandlers(store),
    ...backupHandlers(store),
    ...cleanupHandlers(cleanup),
    ...trashHandlers(store, cleanup),
    ...daemonHandlers({
      store,
      cleanup,
      daemon,
      socketPath: socket.path,
      workers,
      connections: () => ({
        open: open(),
        closed: sum(listeners, ({ connections }) => connections.closed),
        buffered_bytes: buffered.bytes,
        cut: buffered.cuts,
      }),
    }),
  };
  const createListener = (settings: SocketSettings, { readOnly }: { readOnly: boolean }): Listener => {
    const app = createApp({
      handlers,
      ...(readOnly ? {} : { workers }),
      events,
      limits,
      buffered,
      large,
      connections: () => connections,
      documentBytes: (id) =>
        store.summary(id).then(
          ({ bytes }) => bytes,
          () => 0,
        ),
      logger,
      readOnly,
      draining: () => draining,
      refusing: () => refusing,
    });
    const connections = new Connections(app.server, reportFull(settings, logger));
    if (!readOnly) takeUpgrades(app, connections);
    return { app, settings, connections, claimed: undefined };
  };
  const listeners = [createListener(socket, { readOnly: false })];
  if (readOnlySocket !== undefined) listeners.push(createListener(readOnlySocket, { readOnly: true }));
  const open = () => sum(listeners, ({ connections }) => connections.size);

  async function listen(): Promise<void> {
    const limit = Math.floor(connectionLimit(limits.connections * listeners.length) / listeners.length);
    if (limit < limits.connections) {
      logger.warn(
        { connections: limit, wanted: limits.connections },
        "the limit of open files allows fewer connections than limits.connections; raise it (ulimit -n, LimitNOFILE=)",
      );
    }
    for (const { app } of listeners) await app.ready();
    // The control socket last, because others conclude from it that the daemon is ready.
    for (const listener of listeners.toReversed()) {
      const { server } = listener.app;
      listener.connections.limitTo(limit);
      listener.claimed = await claimSocket(server, listener.settings);
      // An error here, such as EMFILE, costs one connection. The server goes on.
      server.on("error", (error) => logger.error({ err: error }, "cannot accept a connection"));
    }
    await workers.listen();
  }

  async function drainAndClose(deadlineMs: number, serveAccepted = false): Promise<void> {
    draining = true;
    const inherited = serveAccepted || listeners.some(({ settings }) => settings.descriptor !== undefined);
    // On an inherited socket the next process serves later connections, so this one still serves those it
    // accepted.
    refusing = !inherited;
    for (const { claimed } of listeners) claimed?.release();
    // Even without open connections, some may be waiting to be accepted, and these get an answer too.
    await sleep(open() === 0 ? 0 : Math.min(drainMs, deadlineMs));
    // A timer that is late comes before them; this comes after them.
    await nextTurn();
    if (inherited) await silenceEnds(Math.min(silenceMs, deadlineMs));
    refusing = true;
    workers.drain();
    events.drain();
    const ended = listeners.map(({ app }) => app.close());
    for (const { connections } of listeners) connections.drain();
    const deadline = setTimeout(() => {
      logger.warn({ connections: open() }, "closing connections that did not end in time");
      for (const { connections } of listeners) connections.destroy();
    }, deadlineMs);
    await Promise.all(ended).finally(() => clearTimeout(deadline));
    events.close();
    await workers.close();
  }

  async function silenceEnds(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    while (performance.now() < end && listeners.some(({ connections }) => connections.silent > 0))
      await sleep(5);
  }

  return {
    listen,
    configure: (next) => workers.configure(next),
    close: (deadlineMs, { serveAccepted = false } = {}) => {
      closed ??= drainAndClose(deadlineMs, serveAccepted);
      return closed;
    },
    connections: () => ({
      open: open(),
      accepted: sum(listeners, ({ connections }) => connections.accepted),
    }),
  };
}

function sum<T>(items: readonly T[], amount: (item: T) => number): number {
  return items.reduce((total, item) => total + amount(item), 0);
}

/**
 * Logs, at most every ten seconds, that connections had to make room. Their clients only see a closed one.
 */
function reportFull({ path }: SocketSettings, logger: Logger): () => void {
  let reported = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - reported < reportIntervalMs) return;
    reported = performance.now();
    logger.warn(
      { socket: path },
      "too many connections: closing those that do nothing for longest, to make room (limits.connections)",
    );
  };
}
