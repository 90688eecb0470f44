#!/usr/bin/env node
/**
 * The process of the program `sessiond`: arguments, configuration, logger, signals and exit status.
 * `daemon.ts` starts and stops the parts.
 */
import process from "node:process";
import type { Logger } from "pino";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { isSessiondError } from "../error.ts";
import { isReaderGone, systemReason, useWholeStandardStreams, written } from "../files/standard-streams.ts";
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

/** The level "error" of pino. */
const errorLevel = 50;

/**
 * The process exits after this time even if stopping hangs. Longer than the server waits for open requests.
 */
const stopDeadlineMs = 15_000;

useWholeStandardStreams();
const code = await main(process.argv.slice(2));
if (code !== undefined) process.exitCode = code;

/** Resolves to an exit status, or to undefined if the daemon is running. */
async function main(argv: string[]): Promise<number | undefined> {
  let args: Arguments;
  try {
    args = parseArguments(argv);
  } catch (error) {
    process.stderr.write(`sessiond: ${(error as Error).message}\nTry: sessiond --help\n`);
    return exitStatus.usage;
  }
  if (args.help) return print(usage);
  if (args.version) return print(`sessiond ${version}\n`);
  return loadConfigAndRun(args);
}

/** Resolves to the exit status. */
async function print(text: string): Promise<number> {
  process.stdout.on("error", () => {});
  const error = await written(process.stdout, text);
  if (error === undefined || isReaderGone(error)) return exitStatus.ok;
  process.stderr.write(`sessiond: the output is not complete: ${systemReason(error)}\n`);
  return exitStatus.failed;
}

async function loadConfigAndRun(args: Arguments): Promise<number | undefined> {
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
  if (args.checkConfig) return print(`${config.file ?? "the default configuration"} is valid\n`);
  const logger = createLogger(
    config.log.level,
    toJournal ? "journal" : process.stderr.isTTY ? "terminal" : "program",
  );
  // Node.js would print warnings without a priority, so the unit sets NODE_NO_WARNINGS.
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
      const hint = manager.notifySocket === undefined ? "" : sandboxHint(config.storage.directory);
      logger.fatal({ code: error.code }, `cannot start: ${error.message}${hint}`);
    }
    // The service manager does not restart after this exit status, as the next start would fail in the same
    // way.
    return isSessiondError(error, "invalid_request", "directory_too_new")
      ? exitStatus.config
      : exitStatus.failed;
  }
  logger.info(
    {
      sessions_dir: config.storage.directory,
      socket: config.socket.path,
      after_ms: Math.round(performance.now() - started),
    },
    "sessiond is ready",
  );
  signals.attach(daemon);
  await notifier.ready(`Serving the sessions in ${config.storage.directory}`);
  return undefined;
}

interface Signals {
  /** Gives the signals their daemon. A signal that arrived before is handled now. */
  attach(daemon: Daemon): void;
}

/**
 * Must be called before anything else starts. A library that listens for signals during a write
 * (`signal-exit`) ends the process unless it finds another listener. A signal during the start is kept until
 * `attach`.
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
      logger.error(`still not stopped after ${stopDeadlineMs / 1000} s; exiting now`);
      end(exitStatus.failed);
    }, stopDeadlineMs).unref();
    void notifier.stopping();
    daemon?.stop().then(
      () => {
        logger.info("sessiond has stopped");
        end(status);
      },
      (error: unknown) => {
        logger.error({ err: error }, "sessiond stopped with an error");
        end(exitStatus.failed);
      },
    );
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      if (stopping !== undefined) {
        logger.warn(`second signal (${signal}): exiting at once`);
        end(signal === "SIGINT" ? 130 : 143);
      }
      stopping = signal;
      logger.info(`${signal}: stopping`);
      stop(exitStatus.ok);
    });
  }
  function reload(): void {
    reloadWanted = daemon === undefined;
    // The daemon has logged the error already.
    daemon?.reload().catch(() => {});
  }

  process.on("SIGHUP", reload);
  for (const event of ["uncaughtException", "unhandledRejection"] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal(
        { err: error },
        `${event}: this is a bug in sessiond; exiting (a restart recovers all acknowledged changes from disk)`,
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
