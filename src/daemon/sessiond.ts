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
import { silentLogger } from "../log.ts";
import { checkStorage } from "../store/open-store.ts";
import { safe, safeLines } from "../text/safe.ts";
import { systemBootTime } from "../time/boot-time.ts";
import { systemClock } from "../time/clock.ts";
import { version } from "../version.ts";
import { goneDirectory, workingDirectory } from "../working-directory.ts";
import { type Arguments, parseArguments, usage } from "./arguments.ts";
import { type Daemon, startDaemon } from "./daemon.ts";
import { isJournal, journalText } from "./log-lines.ts";
import type { LogOutput } from "./log-output.ts";
import { createLogger, logWarnings } from "./logger.ts";
import { runOnDemand } from "./on-demand.ts";
import { exitStatus, exitStatusOf, listenForSignals } from "./signals.ts";
import { createNotifier } from "./systemd/notifier.ts";
import { sandboxHint } from "./systemd/sandbox.ts";
import { type ServiceManager, takeServiceManager } from "./systemd/service-manager.ts";

/** The level "error" of pino. */
const errorLevel = 50;

useWholeStandardStreams();
const code = await main(process.argv.slice(2));
if (code !== undefined) process.exitCode = code;

/** Resolves to an exit status, or to undefined if the daemon is running. */
async function main(argv: string[]): Promise<number | undefined> {
  let args: Arguments;
  try {
    args = parseArguments(argv);
  } catch (error) {
    process.stderr.write(`sessiond: ${safeLines((error as Error).message)}\nTry: sessiond --help\n`);
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
  const cwd = workingDirectory();
  if (cwd === undefined) {
    process.stderr.write(`sessiond: ${goneDirectory}\n`);
    return exitStatus.failed;
  }
  if (args.onDemand && !args.checkConfig) return runOnDemand(args, cwd);
  const sources: ConfigSources = { flags: args, env: process.env, cwd, onDemand: args.onDemand };
  const toJournal = isJournal(process.env, 2);
  let config: Config;
  let manager: ServiceManager;
  try {
    manager = takeServiceManager(process.env);
    config = loadConfig(sources);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(
      toJournal ? journalText(errorLevel, error.message) : `${safeLines(error.message)}\n`,
    );
    return exitStatus.config;
  }
  if (args.checkConfig) return checkConfig(config);
  const { logger, log } = await createLogger(
    config.log.level,
    toJournal ? "journal" : process.stderr.isTTY ? "terminal" : "program",
  );
  logWarnings(logger);
  return run(config, sources, manager, logger, log);
}

/** Resolves to the exit status: that of a start with this configuration, as far as it can be foreseen. */
async function checkConfig({ file, storage }: Config): Promise<number> {
  const name = safe(file ?? "the default configuration");
  try {
    const found = await checkStorage(storage, silentLogger);
    return await print(`${name} is valid\n${found === undefined ? "" : `${safe(found)}\n`}`);
  } catch (error) {
    if (!isSessiondError(error)) throw error;
    process.stderr.write(`${name}: ${safeLines(error.message)}\n`);
    return exitStatusOf(error);
  }
}

async function run(
  config: Config,
  sources: ConfigSources,
  manager: ServiceManager,
  logger: Logger,
  log: LogOutput,
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
      bootTime: systemBootTime(),
      logger,
      log,
      inherited: manager.sockets,
    });
  } catch (error) {
    if (!isSessiondError(error)) logger.fatal({ err: error }, "cannot start");
    else {
      const { storage } = config;
      const isHinted = manager.notifySocket !== undefined && storage.kind === "directory";
      const hint = isHinted ? sandboxHint(storage.directory) : "";
      logger.fatal({ code: error.code }, `cannot start: ${error.message}${hint}`);
    }
    return exitStatusOf(error);
  }
  logger.info(
    {
      [config.storage.kind === "directory" ? "sessions_dir" : "database"]: daemon.location,
      socket: config.socket.path,
      after_ms: Math.round(performance.now() - started),
    },
    "sessiond is ready",
  );
  signals.attach(daemon);
  await notifier.ready(`Serving the sessions in ${daemon.location}`);
  return undefined;
}
