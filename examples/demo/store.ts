/** What the demo itself asks the store of the project: who serves it, and what it holds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Session, SessionClient } from "../../src/client/index.ts";

/** The process that serves the store, as it says in a file there. */
export function daemonOf(project: string): { pid: number; socket: string } {
  return JSON.parse(readFileSync(join(project, ".sessions/.sessiond/daemon.json"), "utf8"));
}

export async function readSession(project: string, id: string): Promise<Session> {
  const client = new SessionClient({ socketPath: daemonOf(project).socket });
  try {
    return await client.getSession(id);
  } finally {
    await client.close();
  }
}
