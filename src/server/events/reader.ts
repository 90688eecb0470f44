/**
 * One who follows the events. It takes them from the log only when its other end has room for them, so that a slow one costs no
 * memory; one that the log has overtaken is told so, and its connection ends.
 */
import { Readable } from "node:stream";
import { type DroppedEvent, type ResetEvent, retryMs } from "../../contract/events.ts";
import { formatTimestamp, type Micros } from "../../time/clock.ts";
import { type EventLog, eventText } from "./event-log.ts";
import type { Recorded } from "./ring.ts";

/** Events are sent in pieces of about this many characters, and that much may wait to be sent. */
const pieceSize = 16 * 1024;

export interface ReaderOptions {
  log: EventLog;
  /** Only events of these; of all if it is undefined. */
  sessions: ReadonlySet<string> | undefined;
  kinds: ReadonlySet<string> | undefined;
  /** The id of an event to go on after. */
  since: string | undefined;
  now: Micros;
}

export class EventReader extends Readable {
  readonly #options: ReaderOptions;
  /** The number of the last event that was sent, or that is not for this reader. */
  #last: number;
  /** Whether the other end has room. */
  #hasRoom = false;
  #finishing = false;
  /** Nothing more is sent. */
  #ended = false;
  #wasBehind = false;
  /** What is said before the next events. */
  #said: string;

  constructor(options: ReaderOptions) {
    super({ highWaterMark: pieceSize });
    this.#options = options;
    const { log, since, now } = options;
    const { number, reason } = place(log, since);
    this.#last = number;
    this.#said = `retry: ${retryMs}\n`;
    if (reason === undefined) {
      this.#said += `: following ${this.lastId}\n\n`;
    } else {
      const reset: ResetEvent = { id: this.lastId, time: formatTimestamp(now), kind: "reset", reason };
      this.#said += eventText(reset);
    }
  }

  /** What it is to go on after should it come back. */
  get lastId(): string {
    return `${this.#options.log.run}-${this.#last}`;
  }

  /** There are new events. */
  wake(): void {
    if (this.#hasRoom) this.#send();
  }

  /**
   * Says that the connection is there, and moves the reader's cursor over what was not for it. Tells whether it is of use: a
   * reader that has missed events has from one call to the next to read so far as to be told.
   */
  beat(): boolean {
    const isBehind = this.#ended || !this.#options.log.ring.reaches(this.#last);
    const isLost = isBehind && this.#wasBehind;
    this.#wasBehind = isBehind;
    if (this.#hasRoom && !isBehind) {
      this.#said += `: ${this.lastId}\nid: ${this.lastId}\n\n`;
      this.#send();
    }
    return !isLost;
  }

  /** Ends the stream after the events that there are. */
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
    let text = this.#said;
    this.#said = "";
    if (!ring.reaches(this.#last)) {
      this.#ended = true;
      const detail = `there were more events than it read; come back with Last-Event-ID: ${this.lastId}`;
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
    return (sessions?.has(sessionId) ?? true) && (kinds?.has(kind) ?? true);
  }
}

/** Where a reader begins, and why that is not where it wanted to. */
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
