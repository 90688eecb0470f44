/** The backend of a SessionManager that is connected to a daemon. */
import type { Status } from "../../session/session.ts";
import { type Verb, verbFor } from "../../session/transition.ts";
import type { SessionClientOptions } from "../options.ts";
import { SessionClient } from "../session-client.ts";
import type { Backend } from "./backend.ts";

export function connectedBackend(options: SessionClientOptions): Backend {
  const client = new SessionClient(options);

  async function transition(id: string, verb: Verb, reason?: string): Promise<void> {
    await client[`${verb}Session`](id, { reason });
  }

  return {
    create: (body) => client.createSession(body),
    load: (id) => client.getSession(id),
    exists: (id) => client.sessionExists(id),
    save: (session) => client.saveSession(session),
    checkpoint: (id, checkpoint) => client.checkpointSession(id, checkpoint),
    progress: (id, delta) => client.reportProgress(id, delta),
    transition,
    resume: (id) => client.resumeSession(id),
    async setStatus(id, status: Status, reason) {
      const { status: from } = await client.getSummary(id);
      if (from !== status) await transition(id, verbFor(from, status), reason);
    },
    async remove(id) {
      await client.deleteSession(id);
    },
    list: (filter) => client.listSessions(filter),
    stats: () => client.getStats(),
    cleanup: ({ policy, keepRecent, maxAgeMs, approve }) =>
      client.runCleanup(policy, {
        keep_recent: keepRecent,
        max_age: maxAgeMs === undefined ? undefined : `${maxAgeMs}ms`,
        approve,
      }),
    backup: (id, directory) => client.createBackup(id, { directory }),
    validate: (id) => client.validateSession(id),
    recover: (id) => client.recoverSession(id),
    health: (id) => client.getSummary(id),
    attach: (id, options) => client.attach(id, options),
    async close() {
      client.close();
    },
  };
}
