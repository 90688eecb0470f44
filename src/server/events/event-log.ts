/**
 * What happened, in order, as those who follow are told of it. It hears of every change of the store, but of reports only when
 * it asks: while nobody follows it does not, and they cost nothing.
 */
import { randomBytes } from "node:crypto";
import type { SessionEvent } from "../../contract/events.ts";
import { isSessiondError } from "../../error.ts";
import type { SessionSummary } from "../../session/session.ts";
import type { SessionId } from "../../session/session-id.ts";
import type { SessionStore, StoreChange } from "../../store/session-store.ts";
import { type Clock, formatTimestamp } from "../../time/clock.ts";
import { differences, factsOf, type Happening } from "./changes.ts";
import { UntoldProgress } from "./progress.ts";
import { EventRing } from "./ring.ts";

/** A session whose file went missing may only be renamed, or written anew: it is looked for again after this long. */
const missingMs = 300;
/** How many sessions that were reported on are looked at in one go. */
const settleSlice = 1000;
const limits = { events: 16_384, bytes: 4 * 1024 * 1024 };

interface Missing {
  before: SessionSummary;
  timer: NodeJS.Timeout;
}

/** What happened to the lease of a session. */
export type WorkerHappening = {
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
  readonly #progress = new UntoldProgress();
  readonly #missing = new Map<string, Missing>();
  readonly #unsubscribe: () => void;

  constructor(options: EventLogOptions) {
    this.#options = options;
    this.#unsubscribe = options.store.changes.subscribe((change) => this.#changed(change));
  }

  /** Takes in what was reported, and tells what has not been told. Whether there is more to take in. */
  catchUp(): boolean {
    const more = this.#options.store.changes.settle(settleSlice);
    for (const happening of this.#progress.takeAll()) this.#add(happening);
    return more;
  }

  worker(id: string, { kind, worker, epoch, gone = false }: WorkerHappening): void {
    let facts: ReturnType<typeof factsOf>;
    try {
      facts = factsOf(this.#options.store.summary(id as SessionId));
    } catch {
      // What became of the session says what became of its worker.
      return;
    }
    this.#tellProgress(id);
    const who = { ...facts, worker, epoch };
    this.#add(kind === "worker.lost" ? { kind, ...who, gone } : { kind, ...who });
  }

  close(): void {
    this.#unsubscribe();
    for (const { timer } of this.#missing.values()) clearTimeout(timer);
  }

  #changed({ session_id: id, before, after, origin }: StoreChange): void {
    const missing = this.#missing.get(id);
    if (missing !== undefined) {
      this.#found(id);
      if (after !== undefined && isStill(missing.before, after, origin)) {
        this.#differs(missing.before, after, origin);
        return;
      }
      this.#gone(missing.before, "gone");
    }
    if (after === undefined) {
      if (before === undefined) return;
      if (origin === "outside") this.#lookLater(before);
      else this.#gone(before, "removed");
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
    const happening = this.#progress.take(id);
    if (happening !== undefined) this.#add(happening);
  }

  #lookLater(before: SessionSummary): void {
    const id = before.session_id as SessionId;
    const look = () => {
      this.#missing.delete(id);
      try {
        this.#options.store.summary(id);
      } catch (error) {
        if (isSessiondError(error, "session_not_found", "session_deleted")) this.#gone(before, "gone");
        else if (isSessiondError(error, "session_corrupt")) this.#gone(before, "unreadable");
        // The directory is away, and nobody can tell.
        else this.#lookLater(before);
      }
    };
    this.#missing.set(id, { before, timer: setTimeout(look, missingMs).unref() });
  }

  #found(id: string): void {
    clearTimeout(this.#missing.get(id)?.timer);
    this.#missing.delete(id);
  }

  #gone(before: SessionSummary, cause: "removed" | "gone" | "unreadable"): void {
    const id = before.session_id;
    this.#tellProgress(id);
    const outside = cause !== "removed";
    const restorable = this.#isRestorable(id as SessionId);
    this.#add({ kind: "session.deleted", ...factsOf(before), outside, cause, restorable });
  }

  #isRestorable(id: SessionId): boolean {
    try {
      this.#options.store.summary(id);
      return false;
    } catch (error) {
      return isSessiondError(error, "session_deleted");
    }
  }

  #add(happening: Happening): void {
    const { kind, session_id: sessionId } = happening;
    this.ring.add((number) => {
      const id = `${this.run}-${number}`;
      const time = formatTimestamp(this.#options.clock.now());
      return { kind, sessionId, text: eventText({ id, time, ...happening } as SessionEvent) };
    });
    this.#options.onEvents();
  }
}

/** An event as Server-Sent Events have it; without an id, the reader's last one stays. */
export function eventText<Event extends { id?: string; kind: string }>(event: Event): string {
  const id = event.id === undefined ? "" : `id: ${event.id}\n`;
  return `${id}event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Whether a session that is back is the one that went missing. */
function isStill(before: SessionSummary, after: SessionSummary, origin: StoreChange["origin"]): boolean {
  if (origin !== "outside") return false;
  return before.generation === null || after.generation === null || before.generation === after.generation;
}
