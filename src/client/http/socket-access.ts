/** Why the file system keeps this user from a socket, and what would let them in. */
import { accessSync, constants, readFileSync, type Stats, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";

const groupWrite = 0o020;
const groupSearch = 0o010;

/** What stands in the way and what to do, as `<what>; <advice>`. */
export function refusedAccess(socketPath: string): string {
  const directory = closedDirectory(dirname(socketPath));
  const path = directory ?? socketPath;
  const stats = statIfAllowed(path);
  if (stats === undefined) return "it cannot even be looked at; have the owner of sessiond let you in";
  const owner = nameOf(stats.uid, "/etc/passwd");
  const group = nameOf(stats.gid, "/etc/group");
  const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
  const what = directory === undefined ? "it" : `its directory ${directory} cannot be entered: it`;
  const facts = `${what} belongs to user ${owner} and group ${group}, with mode ${mode}`;
  const letsGroupIn = (stats.mode & (directory === undefined ? groupWrite : groupSearch)) !== 0;
  if (letsGroupIn && isMember(stats.gid)) {
    return `${facts}; you are a member of that group, but were not yet when this login began: log in again, or run newgrp ${group}`;
  }
  // The group of root is nothing to join for this.
  return letsGroupIn && stats.gid !== 0
    ? `${facts}; join that group (sudo usermod -aG ${group} "$USER") and log in again`
    : `${facts}; run this as user ${owner}, or have socket.group and socket.mode set in the configuration of sessiond`;
}

/** Whether the system's own list has this user in a group. */
function isMember(gid: number): boolean {
  try {
    const { username } = userInfo();
    const lines = readFileSync("/etc/group", "utf8").split("\n");
    return lines.some((line) => {
      const [, , number, members = ""] = line.split(":");
      return number === String(gid) && members.split(",").includes(username);
    });
  } catch {
    return false;
  }
}

/** The outermost directory on the way that this user may not enter. */
function closedDirectory(directory: string): string | undefined {
  const parent = dirname(directory);
  const outer = parent === directory ? undefined : closedDirectory(parent);
  if (outer !== undefined) return outer;
  try {
    accessSync(directory, constants.X_OK);
    return undefined;
  } catch {
    return directory;
  }
}

function statIfAllowed(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The name that the system's own list has for a number; the number itself where only a directory service knows it. */
function nameOf(id: number, list: string): string {
  try {
    for (const line of readFileSync(list, "utf8").split("\n")) {
      const [name, , number] = line.split(":");
      if (name && number === String(id)) return name;
    }
  } catch {
    // Not readable here.
  }
  return String(id);
}
