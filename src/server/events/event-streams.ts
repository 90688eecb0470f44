/**
 * The readers of the event stream, and the timers that they need. Without readers, events are only added to
 * the log.
 *
 * The room server/events/ owns telling readers what happens: the log of events, and one reader for each
 * stream. It changes nothing.
 */
import { type EventsQuery, heartbeatMs } from "../../contract/events.ts";
import { SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import { RequestError } from "../http/error-reply.ts";
import { EventLog, type WorkerEvent } from "./event-log.ts";
import { EventReader } from "./reader.ts";

/** The progress of one session is announced at most once in this time. */
const progressIntervalMs = 250;
/** A reader costs a connection and a few buffers. */
const maxReaders = 256;
/** How long readers may take for the remaining events while the daemon stops. */
const drainMs = 1000;

export interface EventStreamsOptions {
  store: Pick<SessionStore, "changes" | "summary">;
  clock: Clock;
  logger: Logger;
  heartbeatMs?: number;
}

export class EventStreams {
  readonly #options: EventStreamsOptions;
  readonly #log: EventLog;
  readonly #readers = new Set<EventReader>();
  #ticker: NodeJS.Timeout | undefined;
  #heart: NodeJS.Timeout | undefined;
  #cutOff: NodeJS.Timeout | undefined;
  #waking = false;
  #ticking = false;
  /** When progress was told last. */
  #toldMs = Number.NEGATIVE_INFINITY;
  #catchingUp = false;
  #draining = false;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    const { store, clock } = options;
    this.#log = new EventLog({
      store,
      clock,
      onEvents: () => this.#wakeSoon(),
      onProgress: () => this.#tickSoon(),
    });
  }

  /** The number of readers. */
  get size(): number {
    return this.#readers.size;
  }

  /** Adds an event about the worker of a session. */
  worker(id: string, event: WorkerEvent): void {
    void this.#log.worker(id, event);
  }

  /**
   * Adds a reader, a stream of events as text. It ends when it is destroyed or the daemon stops.
   *
   * @throws SessiondError `shutting_down`; RequestError if there are too many readers
   */
  open({ session, kind, since }: EventsQuery, lastEventId: string | undefined): EventReader {
    if (this.#draining) throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
    if (this.#readers.size >= maxReaders) {
      throw new RequestError(503, `there are already ${maxReaders} readers of events; try again later`, {
        headers: { "retry-after": "10" },
      });
    }
    // Reports made while there was no reader are announced first, so that they come before the new reader's
    // start.
    if (this.#readers.size === 0) this.#tick();
    const reader = new EventReader({
      log: this.#log,
      sessions: session === undefined ? undefined : new Set(session),
      kinds: kind === undefined ? undefined : new Set(kind),
      since: lastEventId ?? since,
      now: this.#options.clock.now(),
    });
    this.#readers.add(reader);
    reader.once("close", () => this.#closed(reader));
    this.#ticker ??= setInterval(() => this.#tick(), progressIntervalMs).unref();
    this.#heart ??= setInterval(() => this.#beat(), this.#options.heartbeatMs ?? heartbeatMs).unref();
    return reader;
  }

  /** Ends every stream after the events so far. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    while (this.#readers.size > 0 && this.#log.catchUp());
    for (const reader of this.#readers) reader.finish();
    this.#cutOff = setTimeout(() => this.#destroy(), drainMs).unref();
  }

  close(): void {
    this.#draining = true;
    this.#destroy();
    clearTimeout(this.#cutOff);
    this.#log.close();
  }

  #tick(): void {
    if (this.#catchingUp) return;
    const { newest } = this.#log.ring;
    this.#catchingUp = this.#log.catchUp() && this.#readers.size > 0;
    if (this.#log.ring.newest !== newest) this.#toldMs = performance.now();
    // The rest is handled in later turns of the event loop, to bound the cost of each.
    if (this.#catchingUp) {
      setImmediate(() => {
        this.#catchingUp = false;
        this.#tick();
      });
    }
  }

  /** The first progress after a quiet time, such as another host's, is told at the end of this turn. */
  #tickSoon(): void {
    if (this.#ticking || this.#ticker === undefined) return;
    if (performance.now() - this.#toldMs < progressIntervalMs) return;
    this.#ticking = true;
    setImmediate(() => {
      this.#ticking = false;
      this.#ticker?.refresh();
      this.#tick();
    });
  }

  #wakeSoon(): void {
    if (this.#waking || this.#readers.size === 0) return;
    this.#waking = true;
    // A microtask, so that all events of this turn are sent together.
    queueMicrotask(() => {
      this.#waking = false;
      for (const reader of this.#readers) reader.wake();
    });
  }

  #beat(): void {
    for (const reader of this.#readers) {
      if (reader.beat()) continue;
      const { lastId } = reader;
      this.#options.logger.warn(
        { last_event: lastId },
        "a reader of events does not read them: closing its connection",
      );
      reader.destroy();
    }
  }

  #closed(reader: EventReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size > 0) return;
    clearInterval(this.#ticker);
    clearInterval(this.#heart);
    this.#ticker = undefined;
    this.#heart = undefined;
  }

  #destroy(): void {
    for (const reader of this.#readers) reader.destroy();
  }
}
