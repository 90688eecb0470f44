import { parseArgs } from "node:util";
import type { ConfigFlags } from "../config/load.ts";

export const usage = `Usage: sessiond [options]

Keeps the state of long analysis sessions, so that they survive interruption.

Options:
  --config FILE         configuration; else $SESSIOND_CONFIG, else /etc/sessiond/sessiond.yaml if present
  --sessions-dir DIR    directory of the session files (default: ./.sessions)
  --socket PATH         Unix socket to listen on (default: in $XDG_RUNTIME_DIR or the sessions directory)
  --log-level LEVEL     debug, info, warn or error
  --check-config        check the configuration and exit
  --version             print the version and exit
  --help                print this and exit

Signals: TERM and INT stop gracefully, a second one at once; HUP reads the configuration again.
Exit status: 0 stopped as asked; 1 failed; 64 wrong usage; 78 wrong configuration.
`;

export interface Arguments extends ConfigFlags {
  checkConfig: boolean;
  version: boolean;
  help: boolean;
}

/** @throws TypeError in words for the user */
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
