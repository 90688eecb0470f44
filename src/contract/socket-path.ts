import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

/** The longest path that a Unix socket can have on Linux: `sun_path` of unix(7), less its final zero byte. */
export const maxSocketPathBytes = 107;

export const serviceSocketPath = "/run/sessiond/sessiond.sock";
export const defaultSessionsDir = ".sessions";

/** Where a daemon that was told nothing listens. */
export function daemonSocketPath(sessionsDir: string, env: NodeJS.ProcessEnv): string {
  return runtimeSocketPath(env) ?? join(resolve(sessionsDir), ".sessiond", "sessiond.sock");
}

/**
 * Where a client that was told nothing connects: `$SESSIOND_SOCKET`, else the user's own daemon (in
 * `$XDG_RUNTIME_DIR`, or below `./.sessions`) if it has left a socket, else the system service.
 */
export function clientSocketPath(env: NodeJS.ProcessEnv, cwd: string = process.cwd()): string {
  if (env.SESSIOND_SOCKET) return env.SESSIOND_SOCKET;
  return ownSocketPaths(env, cwd).find((path) => existsSync(path)) ?? serviceSocketPath;
}

/** Where a daemon of this user may listen. */
export function ownSocketPaths(env: NodeJS.ProcessEnv, cwd: string = process.cwd()): string[] {
  const inDirectory = join(cwd, defaultSessionsDir, ".sessiond", "sessiond.sock");
  const runtime = runtimeSocketPath(env);
  return runtime === undefined ? [inDirectory] : [runtime, inDirectory];
}

function runtimeSocketPath(env: NodeJS.ProcessEnv): string | undefined {
  return env.XDG_RUNTIME_DIR ? join(env.XDG_RUNTIME_DIR, "sessiond.sock") : undefined;
}
