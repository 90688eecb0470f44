/** Explains why this user may not use a socket, and what would give access. */
import { accessSync, constants, readFileSync, type Stats, statSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";

const groupWrite = 0o020;
const groupSearch = 0o010;

/** Returns the obstacle and advice, as `<obstacle>; <advice>`. */
export function refusedAccess(socketPath: string): string {
  const directory = closedDirectory(dirname(socketPath));
  const path = directory ?? socketPath;
  const stats = statIfAllowed(path);
  if (stats === undefined)
    return "its owner cannot be determined; ask the administrator of sessiond for access";
  const owner = nameOf(stats.uid, "/etc/passwd");
  const group = nameOf(stats.gid, "/etc/group");
  const mode = (stats.mode & 0o777).toString(8).padStart(4, "0");
  const what = directory === undefined ? "it" : `its directory ${directory} cannot be entered: it`;
  const facts = `${what} belongs to user ${owner} and group ${group}, with mode ${mode}`;
  const letsGroupIn = (stats.mode & (directory === undefined ? groupWrite : groupSearch)) !== 0;
  if (letsGroupIn && isMember(stats.gid)) {
    return `${facts}; you joined that group after this login began: log in again, or run newgrp ${group}`;
  }
  // Nobody should join the group of root for this.
  return letsGroupIn && stats.gid !== 0
    ? `${facts}; join that group (sudo usermod -aG ${group} "$USER") and log in again`
    : `${facts}; run this as user ${owner}, or set socket.group and socket.mode in the configuration of sessiond`;
}

/** Whether /etc/group has this user in a group. */
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

/** The outermost directory of the path that this user may not enter. */
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

/**
 * The name that a file such as /etc/passwd has for an id; the id itself if only a directory service knows the
 * name.
 */
function nameOf(id: number, list: string): string {
  try {
    for (const line of readFileSync(list, "utf8").split("\n")) {
      const [name, , number] = line.split(":");
      if (name && number === String(id)) return name;
    }
  } catch {
    // The file cannot be read.
  }
  return String(id);
}
