/** Finds out before anything is written whether the programs can run as a service of the system. */
import { lstatSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import type { Programs } from "./unit-files.ts";

/** Directories that the sandbox of the service hides or replaces. */
const hidden = ["/home", "/root", "/run/user", "/tmp", "/var/tmp", "/dev"];
/** On Debian, members of `staff` may write below /usr/local and are trusted like root. */
const trustedGroups = [0, 50];
const groupWrite = 0o020;
const anyoneWrite = 0o002;

/** Why the service of the system cannot run the programs; undefined if it can. */
export function unsuitable(
  programs: Programs,
  stat: (path: string) => Stats = lstatSync,
): string | undefined {
  for (const [name, path] of Object.entries(programs)) {
    const what = name === "node" ? "Node.js" : name;
    const elsewhere =
      name === "node"
        ? "install Node.js for the whole system (below /usr or /opt), and sessiond with it"
        : "install sessiond for the whole system: sudo npm install -g sessiond, with a Node.js below /usr or /opt";
    const place = hidden.find((directory) => path.startsWith(`${directory}/`));
    if (place !== undefined) {
      return `${what} is at ${path}, and the service cannot see ${place}; ${elsewhere}, or use --user for a daemon of your own`;
    }
    for (let above = path; ; above = dirname(above)) {
      const why = writableByOthers(stat(above));
      if (why !== undefined) {
        return `${what} is at ${path}, and ${above} ${why}: whoever can write there could act as the service; ${elsewhere}`;
      }
      if (above === dirname(above)) break;
    }
  }
  return undefined;
}

function writableByOthers({ uid, gid, mode }: Stats): string | undefined {
  if (uid !== 0) return `belongs to user ${uid} and not to root`;
  if ((mode & anyoneWrite) !== 0) return "can be written by anybody";
  if ((mode & groupWrite) !== 0 && !trustedGroups.includes(gid)) return `can be written by group ${gid}`;
  return undefined;
}
