#!/usr/bin/env node
/** The program `sessiond`: arguments, signals and exit status around a daemon. */
import process from "node:process";
import type { Logger } from "pino";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { isSessiondError } from "../error.ts";
import { systemClock } from "../time/clock.ts";
import { version } from "../version.ts";
import { type Arguments, parseArguments, usage } from "./arguments.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { isJournal, journalText } from "./log-lines.ts";
import { createLogger } from "./logger.ts";
import { createNotifier, type Notifier } from "./systemd/notifier.ts";
import { sandboxHint } from "./systemd/sandbox.ts";
import { type ServiceManager, takeServiceManager } from "./systemd/service-manager.ts";

const exitStatus = { ok: 0, failed: 1, usage: 64, config: 78 } as const;

/** As pino counts. */
const errorLevel = 50;

/** Stopping takes no longer than this, whatever hangs: the drain of the server and a margin for the rest. */
const stopDeadlineMs = 15_000;

const code = await main(process.argv.slice(2));
if (code !== undefined) process.exitCode = code;

/** Resolves to an exit status, or to undefined when the daemon runs. */
async function main(argv: string[]): Promise<number | undefined> {
  let args: Arguments;
  try {
    args = parseArguments(argv);
  } catch (error) {
    process.stderr.write(`sessiond: ${(error as Error).message}\nTry: sessiond --help\n`);
    return exitStatus.usage;
  }
  if (args.help) process.stdout.write(usage);
  else if (args.version) process.stdout.write(`sessiond ${version}\n`);
  else return configured(args);
  return exitStatus.ok;
}

async function configured(args: Arguments): Promise<number | undefined> {
  const sources: ConfigSources = { flags: args, env: process.env, cwd: process.cwd() };
  const toJournal = isJournal(process.env, 2);
  let config: Config;
  let manager: ServiceManager;
  try {
    manager = takeServiceManager(process.env);
    config = loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(toJournal ? journalText(errorLevel, error.message) : `${error.message}\n`);
    return exitStatus.config;
  }
  if (args.checkConfig) {
    process.stdout.write(`${config.file ?? "the built-in configuration"} is good\n`);
    return exitStatus.ok;
  }
  const logger = createLogger(
    config.log.level,
    toJournal ? "journal" : process.stderr.isTTY ? "terminal" : "program",
  );
  // The unit keeps Node.js from printing them, as that would be without a priority.
  if (toJournal) process.on("warning", (warning) => logger.warn({ err: warning }, warning.message));
  return run(config, sources, manager, logger);
}

async function run(
  config: Config,
  sources: ConfigSources,
  manager: ServiceManager,
  logger: Logger,
): Promise<number | undefined> {
  const notifier = createNotifier(manager, logger);
  const signals = listenForSignals(logger, notifier);
  logger.info({ version, pid: process.pid, config: config.file }, "sessiond is starting");
  const started = performance.now();
  let daemon: Daemon;
  try {
    daemon = await startDaemon({
      config,
      sources,
      clock: systemClock(),
      logger,
      inherited: manager.sockets,
    });
  } catch (error) {
    if (!isSessiondError(error)) logger.fatal({ err: error }, "cannot start");
    else {
      const hint = manager.notifySocket === undefined ? "" : sandboxHint(config.sessionsDir);
      logger.fatal({ code: error.code }, `cannot start: ${error.message}${hint}`);
    }
    // What the next start would run into as well is for somebody to put right.
    return isSessiondError(error, "invalid_request", "directory_too_new")
      ? exitStatus.config
      : exitStatus.failed;
  }
  logger.info(
    {
      sessions_dir: config.sessionsDir,
      socket: config.socket.path,
      after_ms: Math.round(performance.now() - started),
    },
    "sessiond is ready",
  );
  signals.attach(daemon);
  await notifier.ready(`Serving the sessions in ${config.sessionsDir}`);
  return undefined;
}

interface Signals {
  attach(daemon: Daemon): void;
}

/**
 * Listens before anything starts: a library that adds its own listener for the time of a write then sees that
 * somebody else takes care of the signal. A signal during the start is kept until there is a daemon for it.
 */
function listenForSignals(logger: Logger, notifier: Notifier): Signals {
  let daemon: Daemon | undefined;
  let stopping: NodeJS.Signals | undefined;
  let reloadWanted = false;

  function end(status: number): void {
    logger.flush();
    process.exit(status);
  }

  function stop(status: number): void {
    setTimeout(() => {
      logger.error(`not stopped after ${stopDeadlineMs} ms; leaving`);
      end(exitStatus.failed);
    }, stopDeadlineMs).unref();
    void notifier.stopping();
    daemon?.stop().then(
      () => {
        logger.info("sessiond has stopped");
        end(status);
      },
      (error: unknown) => {
        logger.error({ err: error }, "stopping failed");
        end(exitStatus.failed);
      },
    );
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) {
        logger.warn(`${signal} again: stopping at once`);
        end(signal === "SIGINT" ? 130 : 143);
      }
      stopping = signal;
      logger.info(`${signal}: stopping`);
      stop(exitStatus.ok);
    });
  }
  function reload(): void {
    reloadWanted = daemon === undefined;
    // Which has logged why.
    daemon?.reload().catch(() => {});
  }

  process.on("SIGHUP", reload);
  // Over the limit of a file's size (LimitFSIZE, ulimit -f) a write is to fail, and not the daemon with it.
  process.on("SIGXFSZ", () => {});
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal(
        { err: error },
        `${event}: this is a bug; sessiond ends to start again from what is on disk`,
      );
      end(exitStatus.failed);
    });
  }

  return {
    attach(started) {
      daemon = started;
      if (stopping !== undefined) stop(exitStatus.ok);
      else if (reloadWanted) reload();
      void started.failed.then(() => stop(exitStatus.failed));
    },
  };
}
