/**
 * The socket paths that daemon and clients agree on. Whether a socket exists is for the client to find out.
 */
import { join } from "node:path";

/** The longest path that a Unix socket can have on Linux: `sun_path` of unix(7), less its final zero byte. */
export const maxSocketPathBytes = 107;

/** The socket of the system service. */
export const serviceSocketPath = "/run/sessiond/sessiond.sock";
/** The sessions directory where none is configured, relative to the working directory. */
export const defaultSessionsDir = ".sessions";

/** The socket of a daemon for which no path is configured. */
export function daemonSocketPath(sessionsDir: string, env: NodeJS.ProcessEnv): string {
  return runtimeSocketPath(env) ?? socketIn(sessionsDir);
}

/** The paths at which a daemon of this user may listen, most likely first. `cwd` may be gone. */
export function ownSocketPaths(env: NodeJS.ProcessEnv, cwd: string | undefined): string[] {
  const runtime = runtimeSocketPath(env);
  return [
    ...(runtime === undefined ? [] : [runtime]),
    ...(cwd === undefined ? [] : [socketIn(join(cwd, defaultSessionsDir))]),
  ];
}

function socketIn(sessionsDir: string): string {
  return join(sessionsDir, ".sessiond", "sessiond.sock");
}

function runtimeSocketPath(env: NodeJS.ProcessEnv): string | undefined {
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "sessiond.sock") : undefined;
}
