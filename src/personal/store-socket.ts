/** Finds the socket of the daemon that serves a store, without asking anybody. */
import { readDaemonFile } from "./daemon-file.ts";
import { effectiveUser } from "./own-store.ts";
import { isOwnSocket, socketPlaces } from "./socket-place.ts";

/**
 * The socket at which to try: the one that the daemon wrote down, else the first of the places where there is
 * one. Undefined if there is none of the user's own. Whether a daemon still answers there shows when it is
 * asked.
 *
 * @param store the real path of the directory of the sessions
 */
export function storeSocket(
  store: string,
  env: NodeJS.ProcessEnv,
  user = effectiveUser(),
): string | undefined {
  const written = readDaemonFile(store)?.socket;
  const places = socketPlaces(store, env, user);
  return [...(written === undefined ? [] : [written]), ...places].find((path) => isOwnSocket(path, user));
}
