/** What a listener of a store and a reader of its events are told. */
import { onTestFinished } from "vitest";
import type { SessionEvent } from "../../../../src/contract/events.ts";
import { silentLogger } from "../../../../src/log.ts";
import { EventStreams } from "../../../../src/server/events/event-streams.ts";
import type { SessionSummary } from "../../../../src/session/session.ts";
import type { DirectoryStore } from "../../../../src/store/directory/directory-store.ts";
import type { StoreChange } from "../../../../src/store/session-store.ts";
import { systemClock } from "../../../../src/time/clock.ts";

/** Of a session: processed, pending, revision. */
type Counts = [processed: number, pending: number, revision: number] | undefined;

export interface Followed {
  /** Looks at every report that was made. */
  catchUp(): void;
  changes(): [origin: string, before: Counts, after: Counts][];
  /** How many files were processed, each time that a session was told that is there. */
  progress(): number[];
  events(): SessionEvent[];
  clear(): void;
}

/** Follows from here on; what was reported before is known. */
export function followed(store: DirectoryStore): Followed {
  const changes: StoreChange[] = [];
  const catchUp = () => {
    while (store.changes.announceReports(100));
  };
  catchUp();
  const unsubscribe = store.changes.subscribe((change) => {
    changes.push(change);
  });
  const streams = new EventStreams({ store, clock: systemClock(), logger: silentLogger });
  const reader = streams.open({ session: undefined, kind: undefined, since: undefined }, undefined);
  let events: SessionEvent[] = [];
  const take = () => {
    for (let piece = reader.read(); piece !== null; piece = reader.read()) {
      for (const [, data] of String(piece).matchAll(/^data: (.*)$/gm))
        events.push(JSON.parse(data as string));
    }
  };
  take();
  events = [];
  onTestFinished(() => {
    unsubscribe();
    reader.destroy();
    streams.close();
  });
  return {
    catchUp,
    changes: () => changes.map(({ origin, before, after }) => [origin, countsOf(before), countsOf(after)]),
    progress: () => changes.flatMap(({ after }) => (after === undefined ? [] : [after.processed_count])),
    events() {
      take();
      return events;
    },
    clear() {
      changes.length = 0;
      take();
      events = [];
    },
  };
}

function countsOf(summary: SessionSummary | undefined): Counts {
  return summary && [summary.processed_count, summary.pending_count, summary.revision];
}
