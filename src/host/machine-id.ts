/** The id of this machine, or of this container if it has one of its own (machine-id(5)). */
import { readFileSync } from "node:fs";

const files = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/** Stays the same over restarts; undefined where the system has none. It is not for others to see. */
export function machineId(): string | undefined {
  for (const file of files) {
    try {
      const id = readFileSync(file, "utf8").trim();
      if (/^[0-9a-f]{32}$/.test(id)) return id;
    } catch {
      // The next file may be there.
    }
  }
  return undefined;
}
