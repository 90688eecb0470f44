import type { SessionSummary } from "../../src/session/session.ts";
import type { SessionStore } from "../../src/store/session-store.ts";

export async function allSummaries(store: Pick<SessionStore, "summaries">): Promise<SessionSummary[]> {
  const sessions: SessionSummary[] = [];
  for await (const slice of store.summaries()) for (const session of slice) sessions.push(session);
  return sessions;
}
