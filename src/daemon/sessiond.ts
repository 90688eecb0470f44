#!/usr/bin/env node
/** The program `sessiond`: arguments, signals and exit status around a daemon. */
import process from "node:process";
import type { Logger } from "pino";
import { systemClock } from "../clock.ts";
import { type Config, type ConfigSources, loadConfig } from "../config/load.ts";
import { ConfigError } from "../config/problem.ts";
import { isSessiondError } from "../error.ts";
import { version } from "../version.ts";
import { type Arguments, parseArguments, usage } from "./arguments.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { createLogger } from "./logger.ts";

const exitStatus = { ok: 0, failed: 1, usage: 64, config: 78 } as const;

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
  let config: Config;
  try {
    config = loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return exitStatus.config;
  }
  if (args.checkConfig) {
    process.stdout.write(`${config.file ?? "the built-in configuration"} is good\n`);
    return exitStatus.ok;
  }
  return run(config, sources, createLogger(config.log.level, process.stderr.isTTY));
}

async function run(config: Config, sources: ConfigSources, logger: Logger): Promise<number | undefined> {
  const signals = listenForSignals(logger);
  logger.info({ version, pid: process.pid, config: config.file }, "sessiond is starting");
  const started = performance.now();
  let daemon: Daemon;
  try {
    daemon = await startDaemon({ config, sources, clock: systemClock(), logger });
  } catch (error) {
    if (isSessiondError(error)) logger.fatal({ code: error.code }, `cannot start: ${error.message}`);
    else logger.fatal({ err: error }, "cannot start");
    return exitStatus.failed;
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
  return undefined;
}

interface Signals {
  attach(daemon: Daemon): void;
}

/**
 * Listens before anything starts: a library that adds its own listener for the time of a write then sees that
 * somebody else takes care of the signal. A signal during the start is kept until there is a daemon for it.
 */
function listenForSignals(logger: Logger): Signals {
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
    daemon?.reload().catch((error: unknown) => {
      logger.error(`the configuration was refused and the old one stays: ${(error as Error).message}`);
    });
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
