/**
 * The id of a host: of one daemon on one machine. It stays the same when the daemon starts anew, so that the
 * daemon finds its leases again, and no two daemons have the same one. Pure.
 */
import { createHash } from "node:crypto";

export interface HostPlace {
  /** machine-id(5); undefined where there is none. */
  readonly machineId: string | undefined;
  readonly hostname: string;
  /** What tells the daemons of one machine apart: the path of the socket. */
  readonly instance: string;
}

/**
 * The host name is part of it, because containers often share the machine id of their image. Of the machine
 * id there is only a part of a hash: machine-id(5) asks to keep it from the network.
 */
export function hostIdOf({ machineId = "", hostname, instance }: HostPlace): string {
  const machine = createHash("sha256").update(`sessiond ${machineId}`).digest("hex").slice(0, 8);
  return `${hostname}-${machine}:${instance}`;
}
