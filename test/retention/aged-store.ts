/**
 * A store in memory whose sessions have whatever age a test wants, and change as other programs change them.
 */
import type { Session, SessionSummary } from "../../src/session/session.ts";
import type { Clock } from "../../src/time/clock.ts";
import { newMemory } from "../support/memory-store/memory.ts";
import { MemoryStore } from "../support/memory-store/memory-store.ts";

export class AgedStore extends MemoryStore {
  constructor(clock: Clock, sessions: readonly SessionSummary[] = [], memory = newMemory()) {
    super({ clock, memory });
    for (const session of sessions) this.put(session);
  }

  /** Puts a session in place of which this is the summary, but for its bytes. */
  put(summary: SessionSummary): void {
    this.putOutside(documentOf(summary));
  }

  /** Another program changes a session. */
  touch(id: string, changes: Partial<Session> = {}): void {
    const kept = this.memory.sessions.get(id);
    if (kept === undefined) throw new Error(`there is no session ${id}`);
    this.putOutside({ ...kept.session, ...changes });
  }

  ids(): string[] {
    return [...this.memory.sessions.keys()].sort();
  }

  /** How many bytes these sessions have together. */
  async bytesOf(...ids: readonly string[]): Promise<number> {
    const { sessions } = await this.list({ limit: 1000 });
    return sessions
      .filter(({ session_id }) => ids.includes(session_id))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function documentOf(summary: SessionSummary): Session {
  const {
    target_path,
    created_time,
    generation,
    processed_count,
    pending_count,
    bytes: _,
    ...rest
  } = summary;
  return {
    ...rest,
    config: { target_path },
    processed_files: Array.from({ length: processed_count }, (_, n) => `processed-${n}`),
    pending_files: Array.from({ length: pending_count }, (_, n) => `pending-${n}`),
    partial_results: {},
    created_time: created_time ?? undefined,
    generation: generation ?? undefined,
  };
}
