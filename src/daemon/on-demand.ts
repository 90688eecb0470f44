/**
 * The process of a daemon on demand, which a client starts for a store of the user's own. It says in one line
 * how its start ended, leaves the store to another daemon that serves it already, and ends when nobody uses
 * it any more.
 */
import { once } from "node:events";
import { realpathSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import process from "node:process";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { infoReply } from "../contract/replies.ts";
import { isSessiondError, SessiondError } from "../error.ts";
import { written } from "../files/standard-streams.ts";
import { type DaemonFile, readDaemonFile } from "../personal/daemon-file.ts";
import { whyNotOwn } from "../personal/own-store.ts";
import { isOwnSocket } from "../personal/socket-place.ts";
import { formatStartReport, type StartReport } from "../personal/start-report.ts";
import { safeLines } from "../text/safe.ts";
import { systemBootTime } from "../time/boot-time.ts";
import { systemClock } from "../time/clock.ts";
import { version } from "../version.ts";
import type { Arguments } from "./arguments.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { LogFile } from "./log-file.ts";
import { createLogger, logWarnings } from "./logger.ts";
import { exitStatus, exitStatusOf, listenForSignals } from "./signals.ts";

/** How long the holder of the lock may take to serve the store, or to let it go. */
const mostWaitMs = 10_000;
const [shortestPauseMs, longestPauseMs] = [10, 200];
const askTimeoutMs = 1000;

/** Resolves to an exit status, or to undefined if the daemon is running. */
export async function runOnDemand(args: Arguments, cwd: string): Promise<number | undefined> {
  const log = new LogFile();
  process.on("exit", () => log.giveUp());
  try {
    const sources: ConfigSources = { flags: args, env: process.env, cwd, onDemand: true };
    const config = loadConfig(sources);
    const store = ownStore(config.storage);
    return await serve(store, { config, sources, log, idleExitMs: args.idleExitMs });
  } catch (error) {
    return refuse(error);
  }
}

/** @throws SessiondError `invalid_request` if the directory is not a store of the user's own */
function ownStore(storage: Config["storage"]): string {
  if (storage.kind !== "directory")
    throw new SessiondError("invalid_request", "only a directory is served on demand");
  const { directory } = storage;
  const why = whyNotOwn(directory);
  if (why === undefined) return realpathSync(directory);
  throw new SessiondError("invalid_request", `no daemon is started on demand for ${directory}: it ${why}`);
}

interface Serving {
  config: Config;
  sources: ConfigSources;
  log: LogFile;
  idleExitMs: number;
}

async function serve(store: string, serving: Serving): Promise<number | undefined> {
  const { config, sources, log: file, idleExitMs } = serving;
  const { logger, log } = await createLogger(config.log.level, "program", (bytes) => file.write(bytes));
  logWarnings(logger);
  const signals = listenForSignals(logger);
  logger.info({ version, pid: process.pid, config: config.file }, "sessiond is starting on demand");
  const started = await startOrFind(store, () =>
    startDaemon({
      config,
      sources,
      clock: systemClock(),
      bootTime: systemBootTime(),
      logger,
      log,
      onDemand: { idleExitMs, env: process.env },
    }),
  );
  if ("other" in started) {
    await report({ state: "served", ...started.other });
    return exitStatus.ok;
  }
  const { daemon } = started;
  file.begin(store);
  logger.info({ sessions_dir: store, socket: daemon.socket, idle_exit_ms: idleExitMs }, "sessiond is ready");
  signals.attach(daemon);
  await report({ state: "serving", pid: process.pid, socket: daemon.socket, version });
  return undefined;
}

type OtherDaemon = Pick<DaemonFile, "pid" | "socket" | "version">;

/** Starts a daemon, or finds the one that serves the store: of two that start at once, one gets the lock. */
async function startOrFind(
  store: string,
  start: () => Promise<Daemon>,
): Promise<{ daemon: Daemon } | { other: OtherDaemon }> {
  const end = performance.now() + mostWaitMs;
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return { daemon: await start() };
    } catch (error) {
      if (!isSessiondError(error, "directory_locked")) throw error;
      const other = await otherDaemon(store);
      if (other !== undefined) return { other };
      if (performance.now() >= end) throw error;
    }
    await sleep(pauseMs);
  }
}

/**
 * The daemon that serves the store. What the store says of it is a hint: a copy of another store says what
 * was true there. Undefined if none answers.
 */
async function otherDaemon(store: string): Promise<OtherDaemon | undefined> {
  const written = readDaemonFile(store);
  if (written?.stopped_time !== null || !isOwnSocket(written.socket)) return undefined;
  try {
    const asking = get({ socketPath: written.socket, path: "/v1/info", agent: false, timeout: askTimeoutMs });
    asking.on("timeout", () => asking.destroy(new Error("it does not answer")));
    const [reply] = (await once(asking, "response")) as [IncomingMessage];
    const { pid, socket, version, store: served } = infoReply.parse(JSON.parse(await text(reply)));
    return served.location === store ? { pid, socket, version } : undefined;
  } catch {
    return undefined;
  }
}

async function refuse(error: unknown): Promise<number> {
  const exit_status = exitStatusOf(error);
  const { message } = error as Error;
  const code = isSessiondError(error) ? error.code : "internal";
  process.stderr.write(`sessiond: ${safeLines(message)}\n`);
  await report({ state: "failed", code, message, exit_status });
  return exit_status;
}

/** The client may be gone: the daemon then serves the next. */
async function report(line: StartReport): Promise<void> {
  process.stdout.on("error", () => {});
  await written(process.stdout, formatStartReport(line));
}
