/**
 * Who works on the sessions that run. The listing does not tell, and a summary has the daemon read the whole session:
 * so each is asked for rarely, larger ones more rarely, and few at a time.
 */
import type { SessionClient } from "../../client/session-client.ts";
import type { SessionSummary } from "../../session/session.ts";

const atOnce = 4;
const againMs = 5000;
/** And so much longer for each megabyte of a session. */
const againMsPerMegabyte = 5000;

export interface Worker {
  readonly name: string | null;
  readonly connected: boolean;
}

export type Workers = ReadonlyMap<string, Worker>;

interface Known {
  readonly generation: string | null;
  readonly askedMs: number;
  readonly worker: Worker | undefined;
}

export class WorkerNames {
  #known = new Map<string, Known>();
  #attached = 0;
  #changedMs = Number.NEGATIVE_INFINITY;

  /**
   * @param sessions those in sight
   * @param attached how many workers there are in all: when that changes, it is time to ask again
   */
  async ask(
    client: SessionClient,
    sessions: readonly SessionSummary[],
    attached: number,
    nowMs: number,
    { limit = atOnce, signal }: { limit?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    if (attached !== this.#attached) this.#changedMs = nowMs;
    this.#attached = attached;
    const running = sessions.filter(({ status }) => status === "running");
    const known = new Map<string, Known>();
    for (const { session_id, generation } of running) {
      const before = this.#known.get(session_id);
      if (before?.generation === generation) known.set(session_id, before);
    }
    this.#known = known;
    const askedMs = ({ session_id }: SessionSummary) =>
      known.get(session_id)?.askedMs ?? Number.NEGATIVE_INFINITY;
    const isDue = (session: SessionSummary) => {
      const before = known.get(session.session_id);
      // Where nobody works there is nobody to ask for, other than those who were there and may be lost.
      if (attached === 0 && before?.worker === undefined) return false;
      const sinceMs = nowMs - askedMs(session) - (againMsPerMegabyte * session.bytes) / 1e6;
      return sinceMs >= againMs || (sinceMs >= 0 && askedMs(session) < this.#changedMs);
    };
    const due = running
      .filter(isDue)
      .sort((a, b) => askedMs(a) - askedMs(b))
      .slice(0, limit);
    await Promise.all(
      due.map(async ({ session_id, generation }) => {
        // A session that was deleted meanwhile, or a daemon that went away, shows in the next poll.
        const summary = await client.getSummary(session_id, { signal }).catch(() => undefined);
        const worker = summary?.worker ?? undefined;
        known.set(session_id, { generation, askedMs: nowMs, worker });
      }),
    );
  }

  get names(): Workers {
    return new Map(
      [...this.#known].flatMap(([id, { worker }]) => (worker === undefined ? [] : [[id, worker]])),
    );
  }
}
