/**
 * Finds the store of a working directory: the nearest directory `.sessions`. It reads the file system and
 * changes nothing.
 */
import { existsSync, lstatSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultSessionsDir } from "../../contract/socket-path.ts";
import { homeDirectory } from "../../host/home-directory.ts";
import { whyNotOwn } from "../../personal/own-store.ts";

export interface NearestStore {
  /** As a path from the root; undefined if there is none that counts. */
  readonly store: string | undefined;
  /** What has the name of a store and is not used, with the reason, nearest first. */
  readonly passedOver: readonly { readonly path: string; readonly why: string }[];
}

/**
 * Looks in the working directory and above, up to the root of its repository. The home directory and those
 * above it never have a store: it would take in whatever is below.
 */
export function nearestStore(cwd: string, env: NodeJS.ProcessEnv): NearestStore {
  const passedOver: { path: string; why: string }[] = [];
  for (let directory = cwd; !isHomeOrAbove(directory, env); directory = dirname(directory)) {
    const path = join(directory, defaultSessionsDir);
    if (isThere(path)) {
      const why = whyNoStore(path, env);
      if (why === undefined) return { store: path, passedOver };
      passedOver.push({ path, why });
    }
    if (directory === dirname(directory) || existsSync(join(directory, ".git"))) break;
  }
  return { store: undefined, passedOver };
}

/** Whether a directory is the home of this user, or contains it. */
export function isHomeOrAbove(directory: string, env: NodeJS.ProcessEnv): boolean {
  const home = realHome(env);
  if (home === undefined) return false;
  return home === directory || home.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/** The home directory without links in its path; undefined if there is none. */
function realHome(env: NodeJS.ProcessEnv): string | undefined {
  const home = homeDirectory(env);
  try {
    return home !== undefined && existsSync(home) ? realpathSync(home) : home;
  } catch {
    return undefined;
  }
}

/** Why what is at a path is no store of the user's own, and what to do; undefined if it is one. */
export function whyNoStore(path: string, { SUDO_UID }: NodeJS.ProcessEnv): string | undefined {
  const why = whyNotOwn(path);
  if (why === undefined) return undefined;
  // Root by sudo meets the store of the user who called it.
  if (SUDO_UID !== undefined && SUDO_UID !== "0" && why.startsWith("belongs"))
    return `${why}; leave out sudo`;
  if (why === "does not exist") return "is a link that leads nowhere; remove it";
  return why.includes("; ") ? why : `${why}; move it away, or name a store with --store DIR`;
}

/** Also a link that leads nowhere. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}
