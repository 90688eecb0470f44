/**
 * The log of events, in order, which readers follow. The store announces reports to it only on request. There
 * is no request while there is no reader, so that reports then cost nothing here.
 */
import { randomBytes } from "node:crypto";
import type { ResetEvent, SessionEvent } from "../../contract/events.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore, StoreChange } from "../../store/session-store.ts";
import { type Clock, formatTimestamp } from "../../time/clock.ts";
import { differences, type EventBody, factsOf } from "./changes.ts";
import { CoalescedProgress } from "./coalesced-progress.ts";
import { EventRing } from "./ring.ts";

/** The store announces the reports of at most this many sessions at a time. */
const announceSlice = 1000;
const limits = { events: 16_384, bytes: 4 * 1024 * 1024 };

/** A change of a session's lease. */
export type WorkerEvent = {
  kind: "worker.attached" | "worker.detached" | "worker.lost";
  worker: string | null;
  epoch: number;
  gone?: boolean;
};

export interface EventLogOptions {
  store: Pick<SessionStore, "changes" | "summary">;
  clock: Clock;
  /** Called at least once in a turn of the event loop in which events were added. */
  onEvents: () => void;
  /** Called when there is progress to tell that nobody has asked for. */
  onProgress: () => void;
}

export class EventLog {
  /** Identifies this run of the daemon. */
  readonly run = randomBytes(5).toString("hex");
  readonly ring = new EventRing(limits);
  readonly #options: EventLogOptions;
  readonly #progress = new CoalescedProgress();
  /** The sessions whose summary is being read, with the last change that arrived during the read. */
  readonly #asked = new Map<string, { count: number; latest?: { after: SessionSummary | undefined } }>();
  readonly #unsubscribe: (() => void)[];
  #catchingUp = false;

  constructor(options: EventLogOptions) {
    this.#options = options;
    const { changes } = options.store;
    this.#unsubscribe = [
      changes.subscribe((change) => this.#changed(change)),
      changes.onGap(() => this.#missed()),
    ];
  }

  /** Adds the events of reports so far. Returns whether there are more reports than it has handled. */
  catchUp(): boolean {
    this.#catchingUp = true;
    const more = this.#options.store.changes.announceReports(announceSlice);
    this.#catchingUp = false;
    for (const event of this.#progress.takeAll()) this.#add(event);
    return more;
  }

  async worker(id: string, { kind, worker, epoch, gone = false }: WorkerEvent): Promise<void> {
    const summary = await this.#newest(id);
    // The event that the session was deleted says enough about its worker.
    if (summary === undefined) return;
    this.#flushProgress(id);
    const who = { ...factsOf(summary), worker, epoch };
    this.#add(kind === "worker.lost" ? { kind, ...who, gone } : { kind, ...who });
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /**
   * The summary of a session, at least as new as the last event about it; undefined if the session is gone.
   */
  async #newest(id: string): Promise<SessionSummary | undefined> {
    const asked = this.#asked.get(id) ?? { count: 0 };
    this.#asked.set(id, asked);
    asked.count++;
    try {
      const summary = await this.#options.store.summary(id as SessionId);
      return asked.latest === undefined ? summary : asked.latest.after;
    } catch {
      return undefined;
    } finally {
      if (--asked.count === 0) this.#asked.delete(id);
    }
  }

  #changed({ session_id: id, before, after, gone, origin }: StoreChange): void {
    const asked = this.#asked.get(id);
    if (asked !== undefined) asked.latest = { after };
    if (after === undefined) {
      if (before === undefined) return;
      this.#flushProgress(id);
      const { cause = "gone", restorable = false } = gone ?? {};
      const outside = origin === "outside";
      this.#add({ kind: "session.deleted", ...factsOf(before), outside, cause, restorable });
    } else if (before === undefined) {
      this.#add({ kind: "session.created", ...factsOf(after), outside: origin === "outside" });
    } else {
      this.#differs(before, after, origin);
    }
  }

  /** Tells every reader, in its turn, that events may be missing from here on. */
  #missed(): void {
    // It is older than what the readers will find.
    for (const _ of this.#progress.takeAll());
    this.ring.add((number) => {
      const id = `${this.run}-${number}`;
      const time = formatTimestamp(this.#options.clock.now());
      const reset: ResetEvent = { id, time, kind: "reset", reason: "too_old" };
      return { kind: "reset", sessionId: "", text: eventText(reset) };
    });
    this.#options.onEvents();
  }

  #differs(before: SessionSummary, after: SessionSummary, origin: StoreChange["origin"]): void {
    const { progressed, events } = differences(before, after, origin);
    // First, because an event must never describe an older state than the event before it.
    if (events.length > 0) this.#flushProgress(after.session_id);
    for (const event of events) this.#add(event);
    if (!progressed) return;
    this.#progress.add(before, after, origin);
    if (!this.#catchingUp) this.#options.onProgress();
  }

  #flushProgress(id: string): void {
    const event = this.#progress.take(id);
    if (event !== undefined) this.#add(event);
  }

  #add(event: EventBody): void {
    const { kind, session_id: sessionId } = event;
    this.ring.add((number) => {
      const id = `${this.run}-${number}`;
      const time = formatTimestamp(this.#options.clock.now());
      return { kind, sessionId, text: eventText({ id, time, ...event } as SessionEvent) };
    });
    this.#options.onEvents();
  }
}

/** Formats a Server-Sent Event. Without an id, the reader keeps its last one. */
export function eventText<Event extends { id?: string; kind: string }>(event: Event): string {
  const id = event.id === undefined ? "" : `id: ${event.id}\n`;
  return `${id}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
