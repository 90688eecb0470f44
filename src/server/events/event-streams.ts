/** Everybody who follows the events. While nobody does, nothing is done for them but to note what happens. */

import { type EventsQuery, heartbeatMs } from "../../contract/events.ts";
import { SessiondError } from "../../error.ts";
import type { Logger } from "../../log.ts";
import type { SessionStore } from "../../store/session-store.ts";
import type { Clock } from "../../time/clock.ts";
import { RequestError } from "../http/error-reply.ts";
import { EventLog, type WorkerEvent } from "./event-log.ts";
import { EventReader } from "./reader.ts";

/** Progress of one session is told at most this often. */
const progressIntervalMs = 250;
/** Each costs a connection and a few buffers. */
const maxReaders = 256;
/** How long a reader may take for the rest of the events while the daemon stops. */
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
  #catchingUp = false;
  #draining = false;

  constructor(options: EventStreamsOptions) {
    this.#options = options;
    const { store, clock } = options;
    this.#log = new EventLog({ store, clock, onEvents: () => this.#wakeSoon() });
  }

  /** How many follow. */
  get size(): number {
    return this.#readers.size;
  }

  /** What happened to a worker of a session. */
  worker(id: string, event: WorkerEvent): void {
    void this.#log.worker(id, event);
  }

  /**
   * Events as text, until the reader is destroyed, or the daemon stops.
   *
   * @throws SessiondError `shutting_down`; RequestError when too many follow already
   */
  open({ session, kind, since }: EventsQuery, lastEventId: string | undefined): EventReader {
    if (this.#draining) throw new SessiondError("shutting_down", "sessiond is shutting down; try again soon");
    if (this.#readers.size >= maxReaders) {
      throw new RequestError(503, `${maxReaders} readers follow the events already; end one, or try later`, {
        headers: { "retry-after": "10" },
      });
    }
    // Before its place is chosen: what was reported while nobody followed comes before it.
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

  /** Ends every stream after what has happened so far; those who come back find another daemon, or none yet. */
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
    this.#catchingUp = this.#log.catchUp() && this.#readers.size > 0;
    // That was as much as one turn may cost; what is left comes in turns of its own.
    if (this.#catchingUp) {
      setImmediate(() => {
        this.#catchingUp = false;
        this.#tick();
      });
    }
  }

  #wakeSoon(): void {
    if (this.#waking || this.#readers.size === 0) return;
    this.#waking = true;
    // One piece for all that happens in this turn.
    queueMicrotask(() => {
      this.#waking = false;
      for (const reader of this.#readers) reader.wake();
    });
  }

  #beat(): void {
    for (const reader of this.#readers) {
      if (reader.beat()) continue;
      const { lastId } = reader;
      this.#options.logger.warn({ last_event: lastId }, "a reader of events does not read: giving it up");
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
