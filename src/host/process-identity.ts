/**
 * Names a process so that another process of the same machine can tell whether it is still there, also after
 * its pid was given to another one.
 *
 * The room host/ owns what this machine says about its processes and its user. It knows nothing of sessions.
 */
import { readlinkSync } from "node:fs";
import { bootId } from "../time/boot-time.ts";
import { processFacts } from "./process-facts.ts";

/**
 * Boot, pid namespace, pid, and start time in ticks since the boot, joined by `/` (proc(5),
 * pid_namespaces(7)). Only a process of the same boot and namespace can judge it.
 */
export type ProcessIdentity = string;

/** Of this process; undefined where the system does not tell. */
export function ownIdentity(): ProcessIdentity | undefined {
  const place = ownPlace();
  const start = processFacts(process.pid)?.startTime;
  return place === undefined || start === undefined ? undefined : `${place}/${process.pid}/${start}`;
}

/** Whether the process has surely ended. False also for one of another machine, boot or namespace. */
export function hasEnded(identity: ProcessIdentity): boolean {
  const [boot, namespace, pid, start] = identity.split("/");
  if (start === undefined || `${boot}/${namespace}` !== ownPlace()) return false;
  if (!exists(Number(pid))) return true;
  // /proc may hide processes of other users: then nothing tells whether the pid has a new owner.
  const now = processFacts(Number(pid));
  return now !== undefined && (now.isZombie || now.startTime !== start);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function ownPlace(): string | undefined {
  const boot = bootId();
  const namespace = pidNamespace();
  return boot === undefined || namespace === undefined ? undefined : `${boot}/${namespace}`;
}

function pidNamespace(): string | undefined {
  try {
    return /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1];
  } catch {
    return undefined;
  }
}
