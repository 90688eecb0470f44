/** The command line of `sessiond`: its help and its flags. */
import { parseArgs } from "node:util";
import type { ConfigFlags } from "../config/load.ts";

export const usage = `Usage: sessiond [options]

Keeps the state of long analysis sessions, so that they survive interruption.

Options:
  --config FILE         configuration file (default: $SESSIOND_CONFIG, else /etc/sessiond/sessiond.yaml)
  --sessions-dir DIR    directory of the session files (default: ./.sessions)
  --socket PATH         Unix socket to listen on (default: in $XDG_RUNTIME_DIR or the sessions directory)
  --log-level LEVEL     lowest level to log: debug, info, warn or error
  --check-config        check the configuration and exit
  --version             print the version and exit
  --help                print this help and exit

Signals: SIGTERM, SIGINT and SIGQUIT stop gracefully, a second one stops at once. SIGHUP reloads the configuration;
where sessiond has a terminal, SIGHUP means that the terminal hung up, and stops gracefully.
Exit status: 0 stopped by a signal; 1 failed; 64 usage error; 78 configuration error.
`;

export interface Arguments extends ConfigFlags {
  checkConfig: boolean;
  version: boolean;
  help: boolean;
}

/** @throws TypeError with a message for the user */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: "string" },
      "sessions-dir": { type: "string" },
      socket: { type: "string" },
      "log-level": { type: "string" },
      "check-config": { type: "boolean", default: false },
      version: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    config: values.config,
    sessionsDir: values["sessions-dir"],
    socket: values.socket,
    logLevel: values["log-level"],
    checkConfig: values["check-config"],
    version: values.version,
    help: values.help,
  };
}
