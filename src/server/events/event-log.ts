/**
 * What happened, in order, as those who follow are told of it. It hears of every change of the store, but of reports only when
 * it asks: while nobody follows it does not, and they cost nothing.
 */
import { randomBytes } from "node:crypto";
import type { SessionEvent } from "../../contract/events.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore, StoreChange } from "../../store/session-store.ts";
import { type Clock, formatTimestamp } from "../../time/clock.ts";
import { differences, type EventBody, factsOf } from "./changes.ts";
import { CoalescedProgress } from "./coalesced-progress.ts";
import { EventRing } from "./ring.ts";

/** Of how many sessions reports are told in one go. */
const announceSlice = 1000;
const limits = { events: 16_384, bytes: 4 * 1024 * 1024 };

/** What happened to the lease of a session. */
export type WorkerEvent = {
  kind: "worker.attached" | "worker.detached" | "worker.lost";
  worker: string | null;
  epoch: number;
  gone?: boolean;
};

export interface EventLogOptions {
  store: Pick<SessionStore, "changes" | "summary">;
  clock: Clock;
  /** Told, once per turn or more, that there are events that were not there before. */
  onEvents: () => void;
}

export class EventLog {
  /** Of this run of the daemon. */
  readonly run = randomBytes(5).toString("hex");
  readonly ring = new EventRing(limits);
  readonly #options: EventLogOptions;
  readonly #progress = new CoalescedProgress();
  /** Of sessions whose summary is being asked for: what was told of each meanwhile. */
  readonly #asked = new Map<string, { count: number; told?: { after: SessionSummary | undefined } }>();
  readonly #unsubscribe: () => void;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.changes.subscribe((change) => this.#changed(change));
  }

  /** Takes in what was reported, and tells what has not been told. Whether there is more to take in. */
  catchUp(): boolean {
    const more = this.#options.store.changes.announceReports(announceSlice);
    for (const event of this.#progress.takeAll()) this.#add(event);
    return more;
  }

  async worker(id: string, { kind, worker, epoch, gone = false }: WorkerEvent): Promise<void> {
    const summary = await this.#newest(id);
    // What became of the session says what became of its worker.
    if (summary === undefined) return;
    this.#tellProgress(id);
    const who = { ...factsOf(summary), worker, epoch };
    this.#add(kind === "worker.lost" ? { kind, ...who, gone } : { kind, ...who });
  }

  close(): void {
    this.#unsubscribe();
  }

  /** What a session is, not older than anything told of it by then; undefined if it is gone. */
  async #newest(id: string): Promise<SessionSummary | undefined> {
    const asked = this.#asked.get(id) ?? { count: 0 };
    this.#asked.set(id, asked);
    asked.count++;
    try {
      const summary = await this.#options.store.summary(id as SessionId);
      return asked.told === undefined ? summary : asked.told.after;
    } catch {
      return undefined;
    } finally {
      if (--asked.count === 0) this.#asked.delete(id);
    }
  }

  #changed({ session_id: id, before, after, gone, origin }: StoreChange): void {
    const asked = this.#asked.get(id);
    if (asked !== undefined) asked.told = { after };
    if (after === undefined) {
      if (before === undefined) return;
      this.#tellProgress(id);
      const { cause = "gone", restorable = false } = gone ?? {};
      const outside = origin === "outside";
      this.#add({ kind: "session.deleted", ...factsOf(before), outside, cause, restorable });
    } else if (before === undefined) {
      this.#add({ kind: "session.created", ...factsOf(after), outside: origin === "outside" });
    } else {
      this.#differs(before, after, origin);
    }
  }

  #differs(before: SessionSummary, after: SessionSummary, origin: StoreChange["origin"]): void {
    const { progressed, events } = differences(before, after, origin);
    // Each event tells of a state that is not older than that of the one before.
    if (events.length > 0) this.#tellProgress(after.session_id);
    for (const event of events) this.#add(event);
    if (progressed) this.#progress.add(before, after, origin === "outside");
  }

  #tellProgress(id: string): void {
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

/** An event as Server-Sent Events have it; without an id, the reader's last one stays. */
export function eventText<Event extends { id?: string; kind: string }>(event: Event): string {
  const id = event.id === undefined ? "" : `id: ${event.id}\n`;
  return `${id}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}
