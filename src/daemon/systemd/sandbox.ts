/** A hint for an operator whose sessions directory is closed to the service by systemd's sandbox. */
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Says what to do if the service may not write to the sessions directory; otherwise empty. The unit lets the
 * service write only below its state directory.
 */
export function sandboxHint(directory: string): string {
  try {
    // Checked here, as on a read-only file system Node.js reports ENOENT for a directory that it cannot
    // create.
    accessSync(nearestExisting(directory), constants.W_OK);
    return "";
  } catch {
    return (
      `. The service may not write to ${directory}: the directory must belong to user sessiond. ` +
      "If it is not below /var/lib/sessiond, the unit must allow it too: " +
      `run "sudo systemctl edit sessiond" and add the lines [Service] and ReadWritePaths=${unitPath(directory)}`
    );
  }
}

/** A path as a word of a unit's list of paths, without specifiers. */
export function unitPath(path: string): string {
  const plain = path.replaceAll("%", "%%");
  return /\s|["'\\]/.test(plain) ? `"${plain.replace(/["\\]/g, "\\$&")}"` : plain;
}

/** The path, or the nearest directory above it that exists. */
function nearestExisting(path: string): string {
  const above = dirname(path);
  return existsSync(path) || above === path ? path : nearestExisting(above);
}
