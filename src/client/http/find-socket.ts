/** Finds the socket of the daemon for a client that was given no path. */
import { existsSync } from "node:fs";
import { ownSocketPaths, serviceSocketPath } from "../../contract/socket-path.ts";
import { workingDirectory } from "../../working-directory.ts";

/**
 * Returns `$SESSIOND_SOCKET` if it is set. Else the socket of the user's own daemon if there is one, in
 * `$XDG_RUNTIME_DIR` or below `./.sessions`. Else the socket of the system service.
 */
export function findSocketPath(env: NodeJS.ProcessEnv = process.env, cwd = workingDirectory()): string {
  if (env.SESSIOND_SOCKET) return env.SESSIOND_SOCKET;
  return ownSocketPaths(env, cwd).find((path) => existsSync(path)) ?? serviceSocketPath;
}
