/**
 * Names a process so that another process of the same machine can tell whether it is still there, also after
 * its pid was given to another one.
 *
 * The room host/ owns what this machine says about its processes. It knows nothing of sessions.
 */
import { readFileSync, readlinkSync } from "node:fs";

/**
 * Boot, pid namespace, pid, and start time in ticks since the boot, joined by `/` (proc(5), pid_namespaces(7)).
 * Only a process of the same boot and namespace can judge it.
 */
export type ProcessIdentity = string;

/** Of this process; undefined where the system does not tell. */
export function ownIdentity(): ProcessIdentity | undefined {
  const place = ownPlace();
  const start = startTimeOf(process.pid);
  return place === undefined || start === undefined ? undefined : `${place}/${process.pid}/${start}`;
}

/** Whether the process has surely ended. False also for one of another machine, boot or namespace. */
export function hasEnded(identity: ProcessIdentity): boolean {
  const [boot, namespace, pid, start] = identity.split("/");
  if (start === undefined || `${boot}/${namespace}` !== ownPlace()) return false;
  if (!exists(Number(pid))) return true;
  // /proc may hide processes of other users: then nothing tells whether the pid has a new owner.
  const now = startTimeOf(Number(pid));
  return now !== undefined && now !== start;
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function startTimeOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name is in parentheses and may contain parentheses itself.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const isZombie = fields[0] === "Z" || fields[0] === "X";
    return isZombie ? "ended" : fields[19];
  } catch {
    return undefined;
  }
}

function ownPlace(): string | undefined {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1];
    return namespace === undefined ? undefined : `${boot}/${namespace}`;
  } catch {
    return undefined;
  }
}
