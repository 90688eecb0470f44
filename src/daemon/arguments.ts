/** The command line of `sessiond`: its help and its flags. */
import { parseArgs } from "node:util";
import type { ConfigFlags } from "../config/load.ts";
import { parseDuration } from "../time/duration.ts";

export const usage = `Usage: sessiond [options]

Keeps the state of long analysis sessions, so that they survive interruption.

Options:
  --config FILE         configuration file (default: $SESSIOND_CONFIG, else /etc/sessiond/sessiond.yaml)
  --sessions-dir DIR    directory of the session files (default: ./.sessions)
  --socket PATH         Unix socket to listen on (default: in $XDG_RUNTIME_DIR or the sessions directory)
  --log-level LEVEL     lowest level to log: debug, info, warn or error
  --on-demand           serve a sessions directory of your own until nobody uses it any more; sessionctl does this
  --idle-exit DURATION  with --on-demand: end after this long without a connection or a worker (default: 10min)
  --check-config        check the configuration, and whether its database can be used, and exit
  --version             print the version and exit
  --help                print this help and exit

Signals: SIGTERM, SIGINT and SIGQUIT stop gracefully, a second one stops at once. SIGHUP reloads the configuration;
where sessiond has a terminal, SIGHUP means that the terminal hung up, and stops gracefully.
Exit status: 0 stopped by a signal; 1 failed; 64 usage error; 78 configuration error. On demand: also 0 if nobody uses it
any more, or if another daemon serves the directory. One line of JSON on standard output then says how the start ended.
`;

export interface Arguments extends ConfigFlags {
  onDemand: boolean;
  idleExitMs: number;
  checkConfig: boolean;
  version: boolean;
  help: boolean;
}

const defaultIdleExit = "10min";
const shortestIdleExitMs = 100;

/** @throws Error with a message for the user */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: "string" },
      "sessions-dir": { type: "string" },
      socket: { type: "string" },
      "log-level": { type: "string" },
      "on-demand": { type: "boolean", default: false },
      "idle-exit": { type: "string" },
      "check-config": { type: "boolean", default: false },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { "on-demand": onDemand, "idle-exit": idleExit } = values;
  if (idleExit !== undefined && !onDemand) throw new TypeError("--idle-exit needs --on-demand");
  for (const flag of ["config", "socket"] as const) {
    if (onDemand && values[flag] !== undefined)
      throw new TypeError(`--${flag} cannot be given with --on-demand: a store on demand has its own`);
  }
  const idleExitMs = parseDuration(idleExit ?? defaultIdleExit);
  if (idleExitMs < shortestIdleExitMs) throw new TypeError("--idle-exit must be at least 100ms");
  return {
    onDemand,
    idleExitMs,
    config: values.config,
    sessionsDir: values["sessions-dir"],
    socket: values.socket,
    logLevel: values["log-level"],
    checkConfig: values["check-config"],
    version: values.version,
    help: values.help,
  };
}
