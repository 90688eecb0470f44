/** The time since the machine was started, which nobody can set. It goes on while the machine sleeps. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { uptime } from "node:os";

export interface BootTime {
  /** Another one after each start of the machine. */
  readonly bootId: string;
  /** Milliseconds, in steps of 10 ms or, on macOS, of 1 s. */
  sinceBootMs(): number;
}

const bootIdFile = "/proc/sys/kernel/random/boot_id";

/**
 * `os.uptime()` reads /proc/uptime, or else CLOCK_BOOTTIME: both count the time asleep, which
 * `performance.now()` does not. On macOS it is the time since `kern.boottime`, which moves with the clock.
 */
export function systemBootTime(): BootTime {
  return { bootId: bootId() ?? processAsBoot(), sinceBootMs: () => uptime() * 1000 };
}

/** Names this start of the machine; undefined where the system does not (random(4)). */
export function bootId(): string | undefined {
  try {
    return readFileSync(bootIdFile, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Where the system names no boot, each process counts as one: nobody can tell what came before it. */
function processAsBoot(): string {
  return `process-${randomUUID()}`;
}
