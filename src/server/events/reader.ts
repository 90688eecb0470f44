/**
 * A reader of events. It takes events from the log only when its connection has room for them, so that a slow
 * reader costs no memory. If the log no longer has its next event, the reader is told so and its connection
 * ends.
 */
import { Readable } from "node:stream";
import { type DroppedEvent, type ResetEvent, retryMs } from "../../contract/events.ts";
import { formatTimestamp, type Micros } from "../../time/clock.ts";
import { type EventLog, eventText } from "./event-log.ts";
import type { Recorded } from "./ring.ts";

/** Events are sent in pieces of about this many characters; one piece may be waiting to be sent. */
const pieceSize = 16 * 1024;

export interface ReaderOptions {
  log: EventLog;
  /** The sessions whose events are sent; undefined for all. */
  sessions: ReadonlySet<string> | undefined;
  /** The kinds of events that are sent; undefined for all. */
  kinds: ReadonlySet<string> | undefined;
  /** The id of the event to continue after. */
  since: string | undefined;
  now: Micros;
}

export class EventReader extends Readable {
  readonly #options: ReaderOptions;
  /** The number of the last event that was sent or skipped. */
  #last: number;
  /** Whether the connection has room for more text. */
  #hasRoom = false;
  #finishing = false;
  #ended = false;
  #wasBehind = false;
  /** Text to send before the next events. */
  #prefix: string;

  constructor(options: ReaderOptions) {
    super({ highWaterMark: pieceSize });
    this.#options = options;
    const { log, since, now } = options;
    const { number, reason } = place(log, since);
    this.#last = number;
    this.#prefix = `retry: ${retryMs}\n`;
    if (reason === undefined) {
      this.#prefix += `: following ${this.lastId}\n\n`;
    } else {
      const reset: ResetEvent = { id: this.lastId, time: formatTimestamp(now), kind: "reset", reason };
      this.#prefix += eventText(reset);
    }
  }

  /** The id to continue after if the reader reconnects. */
  get lastId(): string {
    return `${this.#options.log.run}-${this.#last}`;
  }

  /** Sends new events if there is room. */
  wake(): void {
    if (this.#hasRoom) this.#send();
  }

  /**
   * Sends a sign of life, and moves the reader's cursor over events that it does not want. Returns false if
   * the reader should be given up: it has missed events, and since the last call has not even read the notice
   * of that.
   */
  beat(): boolean {
    const isBehind = this.#ended || !this.#options.log.ring.reaches(this.#last);
    const isLost = isBehind && this.#wasBehind;
    this.#wasBehind = isBehind;
    if (this.#hasRoom && !isBehind) {
      this.#prefix += `: ${this.lastId}\nid: ${this.lastId}\n\n`;
      this.#send();
    }
    return !isLost;
  }

  /** Ends the stream after the present events. */
  finish(): void {
    this.#finishing = true;
    this.wake();
  }

  override _read(): void {
    this.#hasRoom = true;
    this.#send();
  }

  #send(): void {
    while (this.#hasRoom && !this.#ended) {
      const text = this.#next();
      if (text !== "") this.#hasRoom = this.push(text);
      if (this.#finishing && this.#last === this.#options.log.ring.newest) this.#ended = true;
      if (this.#ended) this.push(null);
      else if (text === "") return;
    }
  }

  #next(): string {
    const { ring } = this.#options.log;
    let text = this.#prefix;
    this.#prefix = "";
    if (!ring.reaches(this.#last)) {
      this.#ended = true;
      const detail = `the reader was too slow; reconnect with Last-Event-ID: ${this.lastId}`;
      const dropped: DroppedEvent = { kind: "dropped", detail };
      return text + eventText(dropped);
    }
    while (this.#last < ring.newest && text.length < pieceSize) {
      const event = ring.get(++this.#last);
      if (event !== undefined && this.#wants(event)) text += event.text;
    }
    return text;
  }

  #wants({ kind, sessionId }: Recorded): boolean {
    const { sessions, kinds } = this.#options;
    if (kind === "reset") return true;
    return (sessions?.has(sessionId) ?? true) && (kinds?.has(kind) ?? true);
  }
}

/** The event after which a reader begins, and the reason if that is not its cursor. */
function place(
  { run, ring }: EventLog,
  since: string | undefined,
): { number: number; reason?: ResetEvent["reason"] } {
  const { newest } = ring;
  if (since === undefined) return { number: newest, reason: "start" };
  const [ofRun, count] = since.split("-");
  const number = Number(count);
  if (ofRun !== run || number > newest) return { number: newest, reason: "other_run" };
  return ring.reaches(number) ? { number } : { number: newest, reason: "too_old" };
}
