import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";

/**
 * What to do when a service cannot keep anything in its directory: the unit lets it write to its state directory
 * alone. Empty where that is not the reason.
 */
export function sandboxHint(directory: string): string {
  try {
    // Node.js says ENOENT of a directory that it cannot make on what it may only read, so that is asked for here.
    accessSync(existing(directory), constants.W_OK);
    return "";
  } catch {
    return `; the service may not write to ${directory}: it must belong to user sessiond, and unless it is below /var/lib/sessiond the unit must allow it: sudo systemctl edit sessiond, then [Service] and ReadWritePaths=${directory}`;
  }
}

function existing(path: string): string {
  const above = dirname(path);
  return existsSync(path) || above === path ? path : existing(above);
}
